# The marks of the project beside what was measured: jq -n with $oci and $containerd (slurped results). Each against
# the fastest of the peers that it names. Joined by $sep.

def row(result; $test; $regime; $metric):
	result.results[] | select(.test == $test and .regime == $regime and .metric == $metric) | .peers;

def ours: map(select(.peer == "reeve"))[0];

def fastest($kind): map(select(.peer | startswith($kind))) | sort_by(.median)[0];

def number: (. * 100 | round) / 100 | tostring;

def share($what; $kind; $mark; $peers):
	($peers | ours) as $r | ($peers | fastest($kind)) as $p
	| if $r == null or $p == null then empty else
		[ $what, ($mark | tostring), ($r.median / $p.median | number), ($r.p10 / $p.p10 | number), $p.peer ] end;

def amount($what; $mark; $peers):
	($peers | ours) as $r
	| if $r == null then empty else [ $what, ($mark | tostring), ($r.median | number), ($r.p10 | number), "" ] end;

[ "", "mark", "median", "p10", "beside" ],
share("`reeve run`, cold"; "crun"; 0.6; row($oci[0]; "run"; "cold"; "total")),
share("`reeve run`, burst"; "crun"; 0.6; row($oci[0]; "run"; "burst"; "total")),
share("create and start through containerd, cold"; "runc"; 0.5; row($containerd[0]; "life"; "cold"; "create+start")),
share("exec through containerd, cold"; "runc"; 0.3; row($containerd[0]; "exec"; "cold"; "whole")),
amount("private dirty memory of an idle shim, KiB"; 300; row($containerd[0]; "memory"; "1 container"; "private dirty"))
| join($sep)
