# The types of options, as far as our modules use them; names and meaning as in nixpkgs' lib.types.
# `merge path definitions` makes one value of all definitions, or throws. `subPath` leads from an option to those within it.
{
  discharge,
  evalModules,
  isDerivation,
  isTree,
  mergeValue,
  showPath,
}:
let
  inherit (builtins)
    all
    attrNames
    concatStringsSep
    elem
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    listToAttrs
    length
    map
    match
    mapAttrs
    ;

  refuse =
    description: path: value:
    throw "A definition for option `${showPath path}' is not of type `${description}'. It is: ${show value}";
  show =
    value:
    if isFunction value then
      "a function"
    else if isDerivation value then
      "a derivation"
    else
      builtins.unsafeDiscardStringContext (builtins.toJSON (if isPath value then toString value else value));

  mkType =
    {
      name,
      description,
      check,
      merge ? null,
      getSubOptions ? _: { },
      subPath ? [ ],
    }:
    {
      _type = "option-type";
      inherit
        name
        description
        check
        getSubOptions
        subPath
        ;
      merge =
        path: definitions:
        let
          wrong = filter (v: !(check v)) (discharge definitions);
        in
        if wrong != [ ] then
          refuse description path (head wrong)
        else
          (if merge == null then mergeValue else merge) path definitions;
    };

  simple = name: description: check: mkType { inherit name description check; };

  isText = v: isString v || isPath v || isDerivation v;
  between = low: high: v: isInt v && v >= low && v <= high;

  joined =
    separator:
    mkType {
      name = "separatedString";
      description = "strings concatenated with ${builtins.toJSON separator}";
      check = isString;
      merge = _: definitions: concatStringsSep separator (discharge definitions);
    };
in
rec {
  bool = simple "bool" "boolean" isBool;
  int = simple "int" "signed integer" isInt;
  ints = {
    unsigned = simple "unsignedInt" "unsigned integer, meaning >=0" (v: isInt v && v >= 0);
    positive = simple "positiveInt" "positive integer, meaning >0" (v: isInt v && v > 0);
    between =
      low: high:
      simple "intBetween" "integer between ${toString low} and ${toString high} (both inclusive)" (
        between low high
      );
  };
  port = simple "unsignedInt16" "16 bit unsigned integer; between 0 and 65535 (both inclusive)" (
    between 0 65535
  );
  str = simple "str" "string" isString;
  strMatching =
    pattern:
    simple "strMatching" "string matching the pattern ${pattern}" (
      v: isString v && match pattern v != null
    );
  path = simple "path" "absolute path" (
    v: isText v && builtins.substring 0 1 (if isDerivation v then v.outPath else toString v) == "/"
  );
  package = simple "package" "package" (
    v: isDerivation v || (isString v && match "/nix/store/.*" v != null)
  );
  enum =
    values:
    simple "enum" "one of ${concatStringsSep ", " (map builtins.toJSON values)}" (v: elem v values);
  lines = joined "\n";
  commas = joined ",";

  raw = simple "raw" "raw value" (_: true);
  anything = raw // {
    name = "anything";
    description = "anything";
  };
  unspecified = raw;
  attrs = simple "attrs" "attribute set" isTree;

  listOf =
    element:
    mkType {
      name = "listOf";
      description = "list of ${element.description}";
      check = isList;
      merge =
        path: definitions:
        map (v: element.merge (path ++ [ "*" ]) [ v ]) (builtins.concatLists (discharge definitions));
      getSubOptions = element.getSubOptions;
      subPath = [ "*" ] ++ element.subPath;
    };

  attrsOf =
    element:
    mkType {
      name = "attrsOf";
      description = "attribute set of ${element.description}";
      check = isTree;
      merge =
        path: definitions:
        let
          values = discharge definitions;
          of = name: map (v: v.${name}) (filter (v: v ? ${name}) values);
          names = attrNames (foldl' (seen: v: seen // v) { } values);
        in
        listToAttrs (
          map (name: {
            inherit name;
            value = element.merge (path ++ [ name ]) (of name);
          }) (filter (name: discharge (of name) != [ ]) names)
        );
      getSubOptions = element.getSubOptions;
      subPath = [ "<name>" ] ++ element.subPath;
    };

  nullOr =
    some:
    mkType {
      name = "nullOr";
      description = "null or ${some.description}";
      check = v: v == null || some.check v;
      merge =
        path: definitions:
        if all (v: v == null) (discharge definitions) then null else some.merge path definitions;
      inherit (some) getSubOptions subPath;
    };

  either =
    one: other:
    mkType {
      name = "either";
      description = "${one.description} or ${other.description}";
      check = v: one.check v || other.check v;
      merge =
        path: definitions:
        (if all one.check (discharge definitions) then one else other).merge path definitions;
    };
  oneOf = list: foldl' either (head list) (builtins.tail list);

  submodule =
    module:
    submoduleWith {
      modules = [ module ];
      shorthandOnlyDefinesConfig = true;
    };

  # The name under which it stands is its argument `name`, as in nixpkgs.
  submoduleWith =
    {
      modules,
      shorthandOnlyDefinesConfig ? false,
    }:
    let
      asModule = v: if isTree v && shorthandOnlyDefinesConfig then { config = v; } else v;
      evaluate =
        path: definitions:
        evalModules {
          modules = modules ++ map asModule definitions;
          specialArgs.name = builtins.elemAt path (length path - 1);
          prefix = path;
        };
    in
    mkType {
      name = "submodule";
      description = "submodule";
      check = v: isTree v || isFunction v || isPath v;
      merge = path: definitions: (evaluate path (discharge definitions)).config;
      getSubOptions = path: (evaluate path [ ]).options;
    };

  # Modules that are evaluated elsewhere: all of them, as one module.
  deferredModule = mkType {
    name = "deferredModule";
    description = "module";
    check = v: isAttrs v || isFunction v || isPath v;
    merge = _: definitions: { imports = discharge definitions; };
  };
}
