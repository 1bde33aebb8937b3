#!/bin/sh
# The language host that only older SDK modules carry takes as flags what the CLI now tells the host itself: the options of
# Pulumi.yaml, in whose directory it is started. Without this it would compile programs that Node runs as they are.
self=$0
[ ! -L "$self" ] || self=$(readlink -f "$self")
host=${self%/*}/../libexec/pulumi-language-nodejs
typescript=true nodeargs=''
if [ -r Pulumi.yaml ]; then
  while read -r name value; do
    case $name in
      typescript:) if [ "${value%% *}" = false ]; then typescript=false; fi ;;
      nodeargs:) nodeargs=$value ;;
    esac
  done <Pulumi.yaml
fi
exec "$host" "-typescript=$typescript" "-nodeargs=$nodeargs" "$@"
