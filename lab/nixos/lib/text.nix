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

  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  hasSuffix =
    suffix: text:
    let
      at = builtins.stringLength text - builtins.stringLength suffix;
    in
    at >= 0 && builtins.substring at (-1) text == suffix;
  removeSuffix =
    suffix: text:
    if hasSuffix suffix text then
      builtins.substring 0 (builtins.stringLength text - builtins.stringLength suffix) text
    else
      text;

  # Characters that a store path name may not have become dashes.
  storeName = builtins.replaceStrings [ "@" ":" "\\" " " "/" ] [ "-" "-" "-" "-" "-" ];
}
