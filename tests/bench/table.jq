# A result (summary.jq) as rows of cells: a title row, then one row for each test, regime and metric.
# A cell: median [10th percentile], and for a peer what share of it ours is. Joined by $sep.

def number:
	if . >= 1000 then round | tostring
	elif . >= 100 then (. * 10 | round) / 10 | tostring
	else (. * 100 | round) / 100 | tostring end;

def cell:
	if . == null then "-"
	else (.median | number)
		+ (if .n > 2 then " [" + (.p10 | number) + "]" else "" end)
		+ (if .reeve_is != null and .peer != "reeve" then " x" + (.reeve_is | number) else "" end)
	end;

def titles: {
	run: "run", life: "life", control: "control", exec: "exec", seq: "runs", par: "runs", peak: "run",
	syscalls: "run", exit: "exit", memory: "memory", storm: "storm", events: "events", idle: "idle",
	growth: "idle", output: "1 GiB of output", lives: "lives", daemon: "daemon" };

(reduce (.results[].peers[].peer) as $p ([]; if index([$p]) then . else . + [$p] end)) as $peers
| ([""] + $peers),
  (.results[] | select(.metric != "cpu" or .test == "run" or .test == "exec")
	| . as $row
	| [ ((titles[.test] // .test) + (if .regime != "" and .test != "syscalls" then " (" + .regime + ")" else "" end)
		+ " " + .metric + (if .unit != "" then ", " + .unit else "" end)) ]
	  + [ $peers[] as $p | ([$row.peers[] | select(.peer == $p)][0] | cell) ])
| join($sep)
