# The few functions on text and sets that the modules need; names and meaning as in nixpkgs' lib.
rec {
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    filter
    mapAttrs
    ;

  concatMapStrings = f: list: concatStringsSep "" (map f list);
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  concatMapAttrsStrings = f: set: concatStringsSep "" (mapAttrsToList f set);
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalString = condition: text: if condition then text else "";
  optionalAttrs = condition: set: if condition then set else { };
  toList = v: if builtins.isList v then v else [ v ];

  mapAttrs' = f: set: builtins.listToAttrs (mapAttrsToList f set);
  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: builtins.listToAttrs (map (name: nameValuePair name (f name)) names);
  flatten = v: if builtins.isList v then concatMap flatten v else [ v ];
  unique = builtins.foldl' (seen: v: if builtins.elem v seen then seen else seen ++ [ v ]) [ ];
  subtractLists = away: filter (v: !(builtins.elem v away));
  recursiveUpdate =
    a: b:
    a // mapAttrs (name: v: if builtins.isAttrs v && builtins.isAttrs (a.${name} or null) then recursiveUpdate a.${name} v else v) b;

  hasInfix = infix: text: builtins.length (builtins.split (escapeRegex infix) "${text}") > 1;
  escapeRegex =
    let
      special = [ "\\" "[" "{" "(" ")" "^" "$" "?" "*" "+" "|" "." ];
    in
    builtins.replaceStrings special (map (c: "\\${c}") special);
  escapeShellArg = v: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString v)}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  concatMapStringsSep = separator: f: list: concatStringsSep separator (map f list);
  getExe' = package: name: "${package}/bin/${name}";

  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      at = builtins.stringLength text - builtins.stringLength suffix;
    in
    at >= 0 && builtins.substring at (-1) text == suffix;
  removePrefix =
    prefix: text:
    if hasPrefix prefix text then
      builtins.substring (builtins.stringLength prefix) (-1) text
    else
      text;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then
      builtins.substring 0 (builtins.stringLength text - builtins.stringLength suffix) text
    else
      text;

  # Characters that a store path name may not have become dashes.
  storeName = builtins.replaceStrings [ "@" ":" "\\" " " "/" ] [ "-" "-" "-" "-" "-" ];
}
