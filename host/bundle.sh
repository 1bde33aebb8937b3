#!/usr/bin/env bash
# Prints the script that an executor sends for COMMAND: the parts that its `# needs:` line names, then the command.
# Usage: host/bundle.sh COMMAND
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
command=$1
read -r needs <"$command.sh"
[[ $needs == "# needs: "* ]] || {
  echo "host/$command.sh does not begin with a '# needs:' line." >&2
  exit 1
}
read -r -a parts <<<"${needs#"# needs: "}"
cat -- "${parts[@]}" "$command.sh"
