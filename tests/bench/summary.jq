# The lines of a measurement (jq -s) to its result: for every test, regime and metric the peers' medians and spread, in
# the order in which they first came, and what share of each peer's median and 10th percentile ours is.
# Arguments: $about (the machine, versions, mode).

def quantile(p): sort | .[(p * (length - 1) + 0.5) | floor];

def digits: (. * 1000 | round) / 1000;

def statistics:
	{ n: length, median: (quantile(0.5) | digits), p10: (quantile(0.1) | digits), p90: (quantile(0.9) | digits),
	  min: (min | digits) };

# Group without sorting.
def by(key): reduce .[] as $x ({}; .[$x | key] += [$x]) | to_entries | map(.value);

. as $lines
| {
	about: $about,
	results: [ $lines | map(select(.value != null)) | by([.test, .regime, .metric] | join("|"))[]
		| . as $row | .[0] as $first
		| (map(select(.peer == "reeve") | .value) | if length > 0 then statistics else null end) as $ours
		| {
			test: $first.test, regime: $first.regime, metric: $first.metric, unit: $first.unit,
			peers: [ $row | by(.peer)[] | .[0].peer as $peer | map(.value) | statistics
				| . + { peer: $peer }
				| if $ours != null and .median > 0 then . + { reeve_is: ($ours.median / .median | digits),
					reeve_is_p10: ($ours.p10 / .p10 | digits) } else . end ]
				| sort_by([if .peer == "reeve" then 0 else 1 end, .peer])
		} ],
	failures: [ $lines | map(select(.failed)) | by([.test, .regime, .peer, .failed] | join("|"))[]
		| (.[0] | {test, regime, peer, failed}) + { times: length } ]
}
