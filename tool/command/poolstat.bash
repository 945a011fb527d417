# SPDX-License-Identifier: Apache-2.0
#
# bash completion for poolstat; a test compares it with --help.

_poolstat()
{
    local cur prev word command='' options i
    local commands='top json text metrics profile history doctor report urls watch tree help'
    local sorts='reserved used peak pools buckets retained requests age client pid'

    COMPREPLY=()
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    # bash makes a word of each = in --option=value
    if [[ $cur == '=' ]]; then
        cur=''
    elif [[ $prev == '=' ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ " $commands " == *" $word "* ]]; then
            command=$word
            break
        fi
    done

    case $prev in
    -f | --file)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$cur"))
        return
        ;;
    -p | --pid)
        COMPREPLY=($(compgen -W "$(pgrep -x 'apache2|httpd' 2>/dev/null)" -- "$cur"))
        return
        ;;
    -s | --sort) COMPREPLY=($(compgen -W "$sorts" -- "$cur")) && return ;;
    -k | --kind) COMPREPLY=($(compgen -W 'client secondary backend' -- "$cur")) && return ;;
    --of) COMPREPLY=($(compgen -W 'pools heap mapped stack all' -- "$cur")) && return ;;
    --heap) COMPREPLY=($(compgen -W 'Off 16K 64K 512K 4M' -- "$cur")) && return ;;
    --check) COMPREPLY=($(compgen -W 'Off guard threads buckets' -- "$cur")) && return ;;
    --level) COMPREPLY=($(compgen -W 'info detail debug' -- "$cur")) && return ;;
    --severity) COMPREPLY=($(compgen -W 'info warning critical' -- "$cur")) && return ;;
    --describe) COMPREPLY=($(compgen -W 'text markdown' -- "$cur")) && return ;;
    --vhost | -l | --limit | -i | --interval | -n | --count | --since | -m | --match | --min) return ;;
    esac

    case $command in
    '') options='--file --pid --sort --kind --vhost --limit --level --gone --describe --version --help' ;;
    top) options='--file --pid --sort --kind --vhost --gone --interval --count --help' ;;
    json) options='--file --pid --sort --kind --vhost --gone --help' ;;
    text) options='--file --pid --sort --kind --vhost --limit --gone --help' ;;
    metrics) options='--file --pid --gone --openmetrics --help' ;;
    profile) options='--file --pid --of --heap --gone --help' ;;
    history) options='--file --pid --since --help' ;;
    doctor) options='--file --pid --check --severity --json --help' ;;
    report) options='--file --pid --limit --help' ;;
    urls) options='--file --pid --limit --help' ;;
    watch) options='--file --pid --interval --count --help' ;;
    tree) options='--json --match --min --help' ;;
    help) options='--help' ;;
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
    elif [[ $command == tree ]]; then
        COMPREPLY=($(compgen -W "$(pgrep -x 'apache2|httpd' 2>/dev/null)" -- "$cur"))
    elif [[ -z $command || ($command == help && $prev == help) ]]; then
        COMPREPLY=($(compgen -W "$commands" -- "$cur"))
    fi
}
complete -F _poolstat poolstat
