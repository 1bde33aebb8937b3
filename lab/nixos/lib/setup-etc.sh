# shellcheck shell=bash
# Links /etc/static to this system's etc, and every file in it to /etc by way of that link. Links
# that an earlier system made and this one does not have go away; what stands in the way the first
# time (Debian's own /etc/systemd/system) is kept beside it.
# shellcheck disable=SC2154 # systemConfig is set by activate
echo "setting up /etc..."
ln -sfn "$systemConfig/etc" /etc/.static.new
mv -T /etc/.static.new /etc/static

link_etc() { # directory below etc, "" at the top
  local source name path
  for source in /etc/static/"$1"*; do
    name=${source#/etc/static/}
    path=/etc/$name
    if [[ -d $source && ! -L $source ]]; then
      mkdir -p "$path"
      link_etc "$name/"
      continue
    fi
    wanted[$name]=1
    if [[ -L $path && $(readlink "$path") == "$source" ]]; then
      continue
    fi
    if [[ -d $path && ! -L $path ]]; then
      mv -T "$path" "$path.before-nixos"
    fi
    ln -sfn "$source" "$path.tmp"
    mv -T "$path.tmp" "$path"
  done
}

declare -A wanted=()
link_etc ""
if [[ -e /etc/.clean ]]; then
  while IFS= read -r name; do
    if [[ -z ${wanted[$name]-} && -L /etc/$name && $(readlink "/etc/$name") == /etc/static/* ]]; then
      echo "removing obsolete symlink '/etc/$name'..."
      rm -f "/etc/$name"
    fi
  done < /etc/.clean
fi
printf '%s\n' "${!wanted[@]}" > /etc/.clean
