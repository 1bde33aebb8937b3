# The module system in small: imports, options with types and defaults, mkIf, mkMerge, mkForce, mkDefault, mkOrder.
# A value is merged by its option's type (types.nix), and without one by its shape: attribute sets by name, lists by
# concatenation, everything else must agree. A name that no option declares is an error, as it is in NixOS.
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    elem
    filter
    foldl'
    head
    isAttrs
    isFunction
    isList
    isPath
    isString
    length
    listToAttrs
    map
    mapAttrs
    tail
    ;

  isMarked = kind: v: isAttrs v && v._type or "" == kind;
  isDerivation = v: isAttrs v && v.type or "" == "derivation";
  isTree = v: isAttrs v && !(v ? _type) && !isDerivation v;
  showPath = builtins.concatStringsSep ".";

  defaultPriority = 100;
  defaultOrder = 1000;
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };

  # All modules that are reachable by imports, as { options, config }; a file counts once.
  collect =
    args: modules:
    let
      visit =
        done: module:
        let
          key = if isPath module || isString module then toString module else null;
          loaded = if key == null then module else import module;
          value = if isFunction loaded then loaded args else loaded;
          isLong = value ? config || value ? options;
          this = {
            options = value.options or { };
            config = if isLong then value.config or { } else removeAttrs value [ "imports" ];
          };
          before = foldl' visit (done // { keys = done.keys ++ [ key ]; }) (value.imports or [ ]);
        in
        if key != null && elem key done.keys then
          done
        else
          before // { modules = before.modules ++ [ this ]; };
    in
    (foldl' visit {
      keys = [ ];
      modules = [ ];
    } modules).modules;

  namesOf = sets: attrNames (foldl' (all: set: all // set) { } sets);

  mergeOptions =
    path: trees:
    if length trees == 1 then
      head trees
    else
      listToAttrs (
        map (name: {
          inherit name;
          value =
            let
              found = map (t: t.${name}) (filter (t: t ? ${name}) trees);
            in
            if length found > 1 && builtins.any (isMarked "option") found then
              throw "The option `${showPath (path ++ [ name ])}' is declared twice."
            else
              mergeOptions (path ++ [ name ]) found;
        }) (namesOf trees)
      );

  # mkIf and mkMerge above an option are pushed down by one level, so that the names of options
  # are known before any condition is looked at.
  pushDown =
    def:
    if isMarked "merge" def then
      concatMap pushDown def.contents
    else if isMarked "if" def then
      map (mapAttrs (_: mkIf def.condition)) (pushDown def.content)
    else
      [ def ];

  mergeTree =
    path: options: rawDefinitions:
    if isMarked "option" options then
      (options.apply or (v: v)) (
        (options.type.merge or mergeValue) path (
          (if options ? default then [ (mkOverride 1500 options.default) ] else [ ]) ++ rawDefinitions
        )
      )
    else
      let
        definitions = concatMap pushDown rawDefinitions;
        unknown = filter (name: !(options ? ${name})) (namesOf definitions);
      in
      if unknown != [ ] then
        throw "The option `${showPath (path ++ [ (head unknown) ])}' does not exist."
      else
        mapAttrs (
          name: sub:
          mergeTree (path ++ [ name ]) sub (map (d: d.${name}) (filter (d: d ? ${name}) definitions))
        ) options;

  # The definitions that count: conditions are true, and of all the highest priority; in the order that mkOrder asks for.
  discharge =
    definitions:
    let
      weigh =
        priority: order: d:
        if isMarked "merge" d then
          concatMap (weigh priority order) d.contents
        else if isMarked "if" d then
          (if d.condition then weigh priority order d.content else [ ])
        else if isMarked "override" d then
          weigh d.priority order d.content
        else if isMarked "order" d then
          weigh priority d.priority d.content
        else
          [
            {
              inherit priority order;
              value = d;
            }
          ];
      weighed = concatMap (weigh defaultPriority defaultOrder) definitions;
      best = foldl' (low: d: if d.priority < low then d.priority else low) 10000 weighed;
      counting = filter (d: d.priority == best) weighed;
      isOrdered = builtins.any (d: d.order != defaultOrder) counting;
    in
    map (d: d.value) (
      if isOrdered then builtins.sort (a: b: a.order < b.order) counting else counting
    );

  # Attribute sets of every priority are merged by name, so that an option's default set and a
  # user's set live together; below, priorities decide.
  mergeValue =
    path: definitions:
    let
      values = discharge definitions;
    in
    if values == [ ] then
      throw "The option `${showPath path}' is used but not defined."
    else if length values == 1 && !(isTree (head values)) then
      head values
    else if builtins.all isTree values then
      mapAttrs (_: v: v.value) (
        filterAttrs (_: v: v.used) (
          listToAttrs (
            map (
              name:
              let
                found = map (v: v.${name}) (filter (v: v ? ${name}) values);
              in
              {
                inherit name;
                value = {
                  used = discharge found != [ ];
                  value = mergeValue (path ++ [ name ]) found;
                };
              }
            ) (namesOf values)
          )
        )
      )
    else if builtins.all isList values then
      concatLists values
    else if builtins.all (v: v == head values) (tail values) then
      head values
    else
      throw "The option `${showPath path}' has conflicting definition values.";

  filterAttrs =
    keep: set:
    removeAttrs set (filter (name: !(keep name set.${name})) (attrNames set));

  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };

  # `prefix` is where the options stand, for a submodule.
  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      found = collect (specialArgs // { inherit config options; }) modules;
      options = mergeOptions prefix (map (m: m.options) found);
      config = mergeTree prefix options (map (m: m.config) found);
    in
    {
      inherit config options;
    };
in
{
  inherit
    evalModules
    filterAttrs
    isDerivation
    mkIf
    mkOrder
    mkOverride
    ;
  mkForce = mkOverride 50;
  mkDefault = mkOverride 1000;
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOption = declaration: declaration // { _type = "option"; };

  types = import ./types.nix {
    inherit
      discharge
      evalModules
      isDerivation
      isTree
      mergeValue
      showPath
      ;
  };
}
