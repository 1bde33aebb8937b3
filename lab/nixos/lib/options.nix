# Options that come ready-made, and the list of all options that their documentation is made from; as in nixpkgs' lib.
lib:
let
  inherit (builtins)
    attrNames
    concatMap
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    map
    ;

  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };

  # A value as one would write it.
  pretty =
    value:
    if value == null then
      "null"
    else if isBool value then
      (if value then "true" else "false")
    else if isInt value then
      toString value
    else if isString value then
      builtins.toJSON value
    else if isFunction value then
      "<function>"
    else if lib.isDerivation value then
      "<derivation ${value.name}>"
    else if isList value then
      if value == [ ] then "[ ]" else "[ ${lib.concatStringsSep " " (map pretty value)} ]"
    else if isAttrs value then
      if value == { } then
        "{ }"
      else
        "{ ${lib.concatStringsSep " " (map (name: "${name} = ${pretty value.${name}};") (attrNames value))} }"
    else
      toString value;

  rendered = value: literalExpression (if value._type or "" == "literalExpression" then value.text else pretty value);

  entry =
    path: option:
    {
      loc = path;
      name = lib.concatStringsSep "." path;
      description = option.description or null;
      type = option.type.description or "unspecified";
      internal = option.internal or false;
      visible = option.visible or true;
      readOnly = option.readOnly or false;
    }
    // lib.optionalAttrs (option ? example) { example = rendered option.example; }
    // lib.optionalAttrs (option ? defaultText || option ? default) {
      default = rendered (option.defaultText or option.default);
    };

  listOf =
    path: tree:
    concatMap (
      name:
      let
        at = path ++ [ name ];
        value = tree.${name};
      in
      if value._type or "" == "option" then
        [ (entry at value) ] ++ lib.optionals (value ? type) (within (at ++ value.type.subPath) value.type)
      else
        listOf at value
    ) (attrNames tree);
  within = path: type: listOf path (removeAttrs (type.getSubOptions path) [ "_module" ]);
in
{
  inherit literalExpression;

  mkEnableOption =
    what:
    lib.mkOption {
      default = false;
      example = true;
      description = "Whether to enable ${what}.";
      type = lib.types.bool;
    };

  optionAttrSetToDocList = listOf [ ];
}
