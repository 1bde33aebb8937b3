export const HELP = `Real hosts on this machine, to try promotions on: Debian 13 with systemd, OpenSSH and Nix, each in a
network namespace of its own on one bridge. Needs root. They cannot reach the internet.

  npm run lab -- up                   two hosts, choiros-grind (builder) and choiros-prod, in seconds
  npm run lab -- up --hosts 3         one more; or name them: --hosts grind,prod,edge
  npm run lab -- up --ssm             with an endpoint of AWS SSM, for connections of kind awsSsm
  npm run lab -- status [--json]      what runs, at which address, on which system
  npm run lab -- ssh prod             a shell on choiros-prod
  npm run lab -- ssh prod -- systemctl --failed
  npm run lab -- power-cut prod       every process of it dies at once; it boots again from its boot default
  npm run lab -- reset [prod]         back to the state right after "up" of a new lab
  npm run lab -- env                  shell lines for: eval "$(npm run -s lab -- env)"
  npm run lab -- down                 remove its processes, mounts, namespaces, bridge and files
  npm run lab -- down --all           the same for every lab that no running program works with
  npm run lab -- down --abandoned     only what programs that were killed have left

Options
  --instance NAME   several labs can be up at the same time (default: $NIXOS_PROMOTE_LAB or hand)
  --quiet           no progress lines
  --help

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 status: not all hosts are up; otherwise that of the ssh command.
`;
