#compdef gatepost
# Completion of gatepost's command line, for zsh. Commands and their options are those of
# "gatepost --help", parameters those of "gatepost config".

# Commands, with what they do.
_gatepost_commands() {
    local -a commands
    commands=(${(f)"$($words[1] --help 2>/dev/null | awk '
        /^options:/ { exit }
        /^  [a-z]/ {
            if (name != "") print name ":" text
            name = $1; text = ""
            if (match($0, /  +[a-zA-Z][^ ].*$/) && match(substr($0, 3), /   *[^ ].*$/))
                text = substr($0, RSTART + 2)
        }
        /^      / && text == "" && $1 !~ /^\[/ { text = $0 }
        { sub(/^ +/, "", text); gsub(/:/, "\\:", text) }
        END { if (name != "") print name ":" text }')"})
    _describe -t commands 'gatepost command' commands
}

# The options of a command.
_gatepost_options() {
    local -a options
    options=(${(f)"$($words[1] --help 2>/dev/null | awk -v command="$1" '
        /^options:/ { exit }
        /^  [a-z]/ { mine = $1 == command }
        mine { print }' | grep -oE -- '(^|[[|(, ])--?[a-zA-Z][a-z-]*' | grep -oE -- '--?[a-zA-Z].*' | sort -u)"})
    compadd -a options
}

# Parameters' names; with an argument, that is put behind them.
_gatepost_parameters() {
    local -a parameters
    parameters=(${(f)"$($words[1] config -d 2>/dev/null | sed -n 's/^\([A-Za-z0-9_]*\) =.*/\1/p')"})
    if [[ -n $1 ]]; then
        compadd -S $1 -a parameters
    else
        compadd -a parameters
    fi
}

_gatepost() {
    local command previous=$words[CURRENT-1] i
    for ((i = 2; i < CURRENT; i++)); do
        case $words[i] in
        -c | -o) ((i++)) ;;
        -*) ;;
        *)
            command=$words[i]
            break
            ;;
        esac
    done
    case $command:$previous in
    *:-c | import:import | setup:--postfix) _files -/ ;;
    *:-o) _gatepost_parameters = ;;
    check:--profile) compadd mozilla-intermediate mozilla-modern bsi-tr-02102-2 ncsc-nl-2.1 pci-dss-4 ;;
    report:--protocol) compadd none TLSv1 TLSv1.1 TLSv1.2 TLSv1.3 ;;
    report:--html | *:--next) _files ;;
    *:--sni | *:--name) _hosts ;;
    :*)
        if [[ $PREFIX == -* ]]; then
            compadd -- -c -o --help --version
        else
            _gatepost_commands
        fi
        ;;
    *)
        if [[ $PREFIX == -* ]]; then
            _gatepost_options $command
        elif [[ $command == config ]]; then
            _gatepost_parameters
        elif [[ $command == selfsigned ]]; then
            _files
        fi
        ;;
    esac
}

_gatepost "$@"
