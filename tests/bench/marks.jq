# The marks of the project beside what was measured: jq -n with the results (out/bench/*.json) as inputs. A share is of
# the best of the peers whose name begins with the one given. Rows joined by $sep; what was not measured has none.

(reduce inputs as $r ({}; .[input_filename | sub(".*/"; "") | rtrimstr(".json")] = $r)) as $all |

def row($file; $test; $regime; $metric):
	($all[$file].results // [])[]
	| select(.test == $test and .metric == $metric and ($regime == "" or .regime == $regime)) | .peers;

def ours: map(select(.peer == "reeve"))[0];

def best($kind; $more): map(select(.peer != "reeve" and (.peer | startswith($kind))))
	| sort_by(.median) | if $more then last else first end;

def number: (. * 100 | round) / 100 | tostring;

def judged(holds): if holds then "holds" else "does not hold" end;

# At most, or at least, this share of the peer's figure.
def share($what; $kind; $more; $mark; $peers):
	($peers | ours) as $r | ($peers | best($kind; $more)) as $p
	| if $r == null or $p == null then empty else
		($r.median / $p.median) as $is
		| [ $what, (if $more then "at least " else "at most " end) + ($mark | tostring), ($is | number),
		    ($r.p10 / $p.p10 | number), $p.peer, judged(if $more then $is >= $mark else $is <= $mark end) ] end;

def at_most($what; $kind; $mark; $peers): share($what; $kind; false; $mark; $peers);
def at_least($what; $kind; $mark; $peers): share($what; $kind; true; $mark; $peers);

def amount($what; $mark; $peers):
	($peers | ours) as $r
	| if $r == null then empty else
		[ $what, "at most " + ($mark | tostring), ($r.median | number), ($r.p10 | number), "",
		  judged($r.median <= $mark) ] end;

[ "", "mark", "median", "p10", "beside", "" ],
at_most("`reeve run`, cold"; "floor"; 1.4; row("floor"; "run"; "cold"; "total")),
at_most("`reeve run`, burst"; "floor"; 1.4; row("floor"; "run"; "burst"; "total")),
at_most("`reeve run`, cold"; "crun"; 0.45; row("floor"; "run"; "cold"; "total")),
at_most("`reeve run`, burst"; "crun"; 0.45; row("floor"; "run"; "burst"; "total")),
at_most("`reeve create`, `start` and `delete`, cold"; "crun"; 0.45; row("floor"; "life"; "cold"; "total")),
at_most("`reeve create`, `start` and `delete`, burst"; "crun"; 0.45; row("floor"; "life"; "burst"; "total")),
at_most("`reeve exec`, cold"; "crun"; 0.35; row("floor"; "exec"; "cold"; "total")),
at_most("`reeve exec`, burst"; "crun"; 0.35; row("floor"; "exec"; "burst"; "total")),
at_least("runs, 8 at a time"; "crun"; 1.8; row("floor"; "par"; ""; "rate")),
at_most("peak RSS of a run"; "crun"; 0.5; row("floor"; "peak"; ""; "peak RSS")),
amount("system calls of a run, cgroup v1"; 290; select($all.floor.about.cgroups // "" | startswith("cgroup v1"))
	| row("floor"; "syscalls"; ""; "system calls")),
amount("system calls of a run, cgroup v2"; 200; select($all.floor.about.cgroups // "" | . == "cgroup v2")
	| row("floor"; "syscalls"; ""; "system calls")),
at_most("create and start through containerd, cold"; "runc"; 0.5; row("containerd"; "life"; "cold"; "create+start")),
at_most("exec through containerd, cold"; "runc"; 0.3; row("containerd"; "exec"; "cold"; "whole")),
amount("private dirty memory of an idle shim, KiB"; 300; row("containerd"; "memory"; "1 container"; "private dirty")),
at_least("storm of execs, rate"; "runc"; 5; row("exec-storm"; "storm"; ""; "rate")),
at_most("storm of execs, shim CPU per exec"; "runc"; 0.3; row("exec-storm"; "storm"; ""; "shim CPU per exec")),
at_most("death to exit event"; ""; 1; row("death"; "exit"; "cold"; "death to event")),
at_most("100 idle containers, PSS"; ""; 0.08; row("idle"; "idle"; ""; "PSS")),
at_most("500 idle containers, PSS"; ""; 0.08; row("idle-500"; "idle"; ""; "PSS")),
at_least("1 GiB of output, rate"; ""; 1; row("output"; "output"; "64 KiB writes"; "rate")),
at_most("1 GiB of output, shim CPU"; ""; 0.3; row("output"; "output"; "64 KiB writes"; "shim CPU")),
amount("Start of an exec at the shim, cold, ms"; 1.5; row("exec-start"; "exec-start"; "cold"; "start")),
amount("Start of an exec at the shim, burst, ms"; 1.5; row("exec-start"; "exec-start"; "burst"; "start")),
at_most("life of a task in reeved, cold"; "runc"; 0.2; row("reeved"; "life"; "cold"; "whole")),
at_most("life of a task in reeved, burst"; "runc"; 0.2; row("reeved"; "life"; "burst"; "whole")),
amount("reeved without tasks, PSS, KiB"; 3072; row("reeved-memory"; "daemon"; "0 tasks"; "PSS")),
amount("reeved, PSS per task, KiB"; 16; row("reeved-memory"; "daemon"; "500 tasks"; "PSS per task")),
amount("reeved, 500 tasks listed after its start, ms"; 100; row("reeved-restart"; "restart"; "500 tasks"; "until listed")),
amount("reeved, 500 tasks listed after kill -9, ms"; 100;
	row("reeved-restart"; "restart"; "500 tasks, killed"; "until listed")),
at_most("import of an image"; "containerd"; 1; row("reeved-import"; "import"; ""; "total"))
| join($sep)
