# shellcheck shell=bash
# The command line of a peer, as its --help tells it: lines "PEER COMMAND OPTION value|switch", for a command itself
# "PEER COMMAND", with "-" as the command of the options in front of it. tests/lib/peer-options is what it says for
# runc 1.3.6 and crun 1.28.

# Options that the peer takes and does not show: of runc kill and runc as such.
peer_hidden() { # PEER
	[ "$1" != runc ] || printf '%s\n' 'runc kill --all switch' 'runc kill -a switch' 'runc - --criu value' \
		'runc update --kernel-memory value' 'runc update --kernel-memory-tcp value'
}

peer_commands() { # PEER PROGRAM
	"$2" --help | sed -nE '/^COMMANDS:/,/^($|GLOBAL|.*--)/ s/^[ \t]+([a-z]+)(, h)? .*/\1/p' | grep -vx help
}

peer_options_of() { # PEER COMMAND, help on standard input
	sed -nE 's/^ {2,6}(-.*)/\1/p' | sed -E 's/(  +|\t).*//' | while IFS= read -r words; do
		local word kind=switch
		# "--bundle value, -b value" and "-b, --bundle=DIR"; "--tty[=TTY]" goes without.
		[[ $words != *' value'* && $words != *[a-z]=* ]] || kind=value
		# crun forgot to say that it has one, and so cannot be told the value.
		[[ $words != --network-lock ]] || kind=value
		for word in ${words//,/ }; do
			word=${word%%[=[]*}
			[[ $word != -* ]] || echo "$1 $2 $word $kind"
		done
	done
}

peer_options() { # PEER PROGRAM
	local command
	"$2" --help | peer_options_of "$1" -
	for command in $(peer_commands "$1" "$2"); do
		echo "$1 $command"
		"$2" "$command" --help | peer_options_of "$1" "$command"
	done
	peer_hidden "$1"
}
