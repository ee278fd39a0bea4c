# Completion of gatepost's command line, for bash. Commands and their options are those of
# "gatepost --help", parameters those of "gatepost config".

# _gatepost_commands PROGRAM: all commands.
_gatepost_commands() {
    "$1" --help 2>/dev/null | sed -n '/^commands:/,/^options:/s/^  \([a-z][a-z-]*\).*/\1/p'
}

# _gatepost_options PROGRAM COMMAND: its options.
_gatepost_options() {
    "$1" --help 2>/dev/null | awk -v command="$2" '
        /^options:/ { exit }
        /^  [a-z]/ { mine = $1 == command }
        mine { print }' | grep -oE -- '(^|[[|(, ])--?[a-zA-Z][a-z-]*' | grep -oE -- '--?[a-zA-Z].*' | sort -u
}

# _gatepost_parameters PROGRAM: all parameters' names.
_gatepost_parameters() {
    "$1" config -d 2>/dev/null | sed -n 's/^\([A-Za-z0-9_]*\) =.*/\1/p'
}

_gatepost() {
    local current=$2 previous=$3 program=${COMP_WORDS[0]} command="" i
    local IFS=$' \t\n'
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -c | -o) ((i++)) ;;
        -*) ;;
        =) ((i++)) ;; # bash takes the value behind -o for a word
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case $command:$previous in
    *:-c | import:import | setup:--postfix)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        compopt -o filenames
        return
        ;;
    *:-o)
        mapfile -t COMPREPLY < <(compgen -S = -W "$(_gatepost_parameters "$program")" -- "$current")
        compopt -o nospace
        return
        ;;
    check:--profile)
        mapfile -t COMPREPLY < <(compgen -W "mozilla-intermediate mozilla-modern bsi-tr-02102-2
            ncsc-nl-2.1 pci-dss-4" -- "$current")
        return
        ;;
    report:--protocol)
        mapfile -t COMPREPLY < <(compgen -W "none TLSv1 TLSv1.1 TLSv1.2 TLSv1.3" -- "$current")
        return
        ;;
    report:--html | *:--next)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
        return
        ;;
    *:--sni | *:--name)
        mapfile -t COMPREPLY < <(compgen -A hostname -- "$current")
        return
        ;;
    esac
    if [ -z "$command" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_gatepost_commands "$program") -c -o --help --version" \
            -- "$current")
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_gatepost_options "$program" "$command")" -- "$current")
    elif [ "$command" = config ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_gatepost_parameters "$program")" -- "$current")
    elif [ "$command" = selfsigned ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames
    fi
}

complete -F _gatepost gatepost
