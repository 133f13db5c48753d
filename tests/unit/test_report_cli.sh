#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `report` as its users meet it.
set -eu
umask 077

program=${EDR_BINARY:?names the program}
generator=${EDR_BUILD_DIR:?}/tree/gen_capture
[ -x "$generator" ] || { echo "$generator is not built"; exit 77; }
tmp=$(mktemp -d)
command -v jq >/dev/null || { echo "jq is not installed"; exit 77; }
trap 'rm -rf "$tmp"' EXIT
R=$tmp/reports
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }

# expect STATUS TEXT ARGUMENT...
expect()
{
	status=$1 text=$2
	shift 2
	got=0
	"$program" report "$@" --reports-dir "$R" >"$tmp/out" 2>"$tmp/err" </dev/null || got=$?
	[ $got -eq "$status" ] || fail "report $* gives $got, not $status: $(head -c 300 "$tmp/err")"
	cat "$tmp/out" "$tmp/err" >"$tmp/both"
	[ -z "$text" ] || grep -qF -e "$text" "$tmp/both" || fail "'$text' is not in what report $* prints"
}

for what in list "show latest" verify rebuild export; do
	# shellcheck disable=SC2086
	expect 66 "cannot open the directory $R: No such file or directory" $what
	[ ! -e "$R" ] || fail "report $what made a directory"
done
mkdir "$R"
expect 66 "no reports in $R" rebuild
[ -z "$(ls -A "$R")" ] || fail "rebuild makes something of nothing"
rmdir "$R"
mkdir "$tmp/captures"
"$generator" -q -d 2 "$tmp/captures" >/dev/null
for capture in "$tmp"/captures/*.cap; do
	"$program" replay "$capture" --set ADVANCED.max_events_buffer=100 --reports-dir "$R" >/dev/null 2>&1 || fail "replay $capture"
done

expect 64 "say what"
expect 64 "did you mean verify?" verfy
expect 64 "did you mean block?" list --level blok
for time in yesterday 2026-02-30 2026-11-21T24:00 2026-11-21T20:00+1 2d3 99999999d -1d 2026-11-21Z; do
	expect 64 "is no time" list --since=$time
done
for time in 2026-11-21 2026-11-21T20:00 2026-11-21T20:00:00.5Z 2026-11-21T20:00:00+01:00 90m 2d 1w; do
	expect 0 "" list --since=$time
done
expect 64 "too many" list more
expect 64 "say which" show
expect 64 "contradict each other" show latest --json --text
for option in --text "--level cell" --force; do
	# shellcheck disable=SC2086
	expect 64 "report verify has no option ${option%% *}" verify $option
done
expect 64 "report list has no option --text" list --text
expect 64 "report export has no option --text" export --text
expect 64 "report list has no option --force" list --force
expect 64 "report rebuild has no option --since" rebuild --since 2d
expect 64 "report rebuild has no option --json" rebuild --json
expect 0 '"report_id"' show latest --json
expect 66 "there is no report" show nosuch
expect 0 "REPORT" list
expect 0 "block-" list --level block
expect 0 "" list --since 2100-01-01 --until 2100-01-02
[ ! -s "$tmp/out" ] || fail "list has something in 2100"
expect 0 '"report_id"' show latest
[ "$("$program" report --help | wc -l)" -le 32 ] || fail "report --help does not fit a screen"
# A zone is a zone: a window that begins at 12:00 UTC is one from 13:00 at +01:00.
first=$("$program" report list --level block --json --reports-dir "$R" | sed -n 's/.*"window_start": "\([^"]*\)Z".*/\1/p' | sed -n 2p)
hour=$(printf '%02d' $((1$(echo "$first" | cut -c12-13) - 100 + 1)))
n=$("$program" report list --level block --reports-dir "$R" --since "$first" | wc -l)
m=$("$program" report list --level block --reports-dir "$R" --since "$(echo "$first" | cut -c1-11)$hour:00+01:00" | wc -l)
[ "$n" = "$m" ] || fail "--since with an offset: $m lines, not $n"
id=$("$program" report list --level cell --reports-dir "$R" | awk 'NR == 2 { print $1 }')
expect 0 "$id" show "$id"
cmp -s "$tmp/out" "$R/cells/$id.json" || fail "show is not the file"
expect 66 "did you mean $id?" show "${id}x"
for level in cell block; do
	expect 0 "watched" show latest --level $level --text
	[ "$(wc -L <"$tmp/out")" -le 80 ] || fail "show --text is $(wc -L <"$tmp/out") columns wide"
	if LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" "$tmp/out"; then
		fail "control bytes reach the terminal"
	fi
done
expect 0 "" export --level block
[ "$(wc -l <"$tmp/out")" -eq "$(find "$R/blocks" -name '*.json' | wc -l)" ] || fail "export: not one a line"

"$program" report export --reports-dir "$R" | jq -es 'length > 20' >"$tmp/out" || fail "export is not for jq"

# What cannot be written is no success, however large it is.
if [ -w /dev/full ]; then
	for what in "show latest" "show latest --level daily" "show $id --text" list export; do
		got=0
		# shellcheck disable=SC2086
		"$program" report $what --reports-dir "$R" >/dev/full 2>"$tmp/err" || got=$?
		[ $got -eq 74 ] || fail "report $what to a full disk gives $got, not 74"
	done
fi

# Wherever a wide character stands, a line is cut, and not lost. The host's name begins in column 46.
mkdir -p "$tmp/wide/cells"
for column in 70 71 72 73 74 75 76 77 78 79 80; do
	name=$(printf '%*s' $((column - 46)) '' | tr ' ' a)中bbbbbbbbbbbbbb
	sed "s/\"tree.example\"/\"$name\"/" "$R/cells/$id.json" >"$tmp/wide/cells/$id.json"
	"$program" report show "$id" --text --reports-dir "$tmp/wide" >"$tmp/out" 2>&1 || fail "a wide character at $column"
	line=$(sed -n 2p "$tmp/out")
	case $line in
	20*", aaaaaaaaaaaaaaaaaaaa"*...) ;;
	*) fail "a wide character at $column: '$line'" ;;
	esac
done

# Interim parts: not among the reports unless they are asked for.
part=$("$program" report list --level interim --reports-dir "$R" | awk 'NR == 2 { print $1 }')
case $part in *.part0*) ;; *) fail "no interim part is listed: '$part'" ;; esac
"$program" report list --reports-dir "$R" | grep -q "\.part" && fail "parts are listed without being asked for"
expect 0 '"level": "interim"' show "$part"
cmp -s "$tmp/out" "$R/interim/$part.json" || fail "show is not the part's file"
expect 0 "cell_id" show "$part" --text
expect 0 '"part"' export --level interim
gzip -n "$R/interim/$part.json"
expect 0 "$part" show "$part"
expect 0 "all is well" verify
gunzip "$R/interim/$part.json.gz"
mv "$R/interim/$part.json" "$tmp/part"
expect 1 "removed" verify
sed '0,/"total": /s//"total": 1/' "$tmp/part" >"$R/interim/$part.json"
expect 1 "changed" verify
mv "$tmp/part" "$R/interim/$part.json"

# What is new is said against the report before.
second=$("$program" report list --level block --reports-dir "$R" | awk 'NR == 3 { print $1 }')
expect 0 "New since block-" show "$second" --text

# What is no report is not printed: who may write there does not speak to the terminal of who looks.
mkdir -p "$tmp/junk/cells"
mine=$R R=$tmp/junk
good=$R/cells/$id.json
bad=cell-20990101-000000
cp "$mine/cells/$id.json" "$R/cells"
head='{"schema_version": 1, "level": "cell", "report_id": "x"'
while IFS= read -r junk; do
	# shellcheck disable=SC2059
	printf "$junk" >"$R/cells/$bad.json"
	for text in "" --text; do
		# shellcheck disable=SC2086
		expect 65 "holds no report" show $bad $text
		[ ! -s "$tmp/out" ] || fail "show prints '$junk'"
	done
	expect 65 "$bad is left out" export
	jq -ces length "$tmp/out" | grep -qx 1 || fail "export with '$junk' among them"
done <<-END
	\\033]0;pwned\\007
	$head, "a": "\\033[2J"}
	$head, "a": "\\302\\2332J"}
	$head, "a": "\\377"}
	$head, "a": [1, truth]}
	$head, "a": 1.}
	$head, "a": [}
	$head}}
	$head
	[1]
	{}
END
# Nor is it a report without events.
unreadable()
{
	expect 65 "1 of these cannot be read" list
	grep -q "^$bad  *? *? *? " "$tmp/out" || fail "list of $1: $(cat "$tmp/out")"
	expect 65 "" list --json
	jq -e 'length == 2 and ([.[] | select(.error)] | length == 1 and .[0].total == null)' "$tmp/out" >"$tmp/null" ||
		fail "list --json of $1: $(cat "$tmp/out")"
}
unreadable "an empty object"
head -c 3000000 /dev/zero >"$R/cells/$bad.json"
unreadable zeros
gzip -n "$R/cells/$bad.json"
unreadable "packed zeros"
rm "$R/cells/$bad.json.gz"
# All that list shows is there, but not the end.
head -c $(($(wc -c <"$good") - 100)) "$good" >"$R/cells/$bad.json"
unreadable "a report that was cut"
rm "$R/cells/$bad.json"
# A part of 40 MB: more than one may have, and more than is held in memory for it.
mkdir -p "$R/interim"
head -c 40000000 /dev/zero | gzip -n >"$R/interim/$bad.part0001.json.gz"
expect 66 "larger than a report of its level may be" show "$bad.part0001" --level interim
expect 1 "it is larger than the 32 MiB" verify
rm -r "$R/interim"
ln -s "$id.json" "$R/cells/$bad.json"
expect 0 "$id" list
rm "$R/cells/$bad.json"
if [ "$(id -u)" -ne 0 ]; then
	echo '{}' >"$R/cells/$bad.json"
	chmod 0 "$R/cells/$bad.json"
	unreadable "a forbidden file"
	grep -q "Permission denied" "$tmp/out" || fail "list does not say why"
	rm -f "$R/cells/$bad.json"
fi
cmp -s "$good" "$mine/cells/$id.json" || fail "looking changed a report"
R=$mine

# One of a newer program is whole: as JSON it is shown, as text it is said why it is not.
mkdir -p "$tmp/newer/cells"
sed 's/"schema_version": 1,/"schema_version": 2,/' "$R/cells/$id.json" >"$tmp/newer/cells/$id.json"
R=$tmp/newer
expect 65 "this report has schema_version 2, and this program reads 1" show "$id" --text
[ ! -s "$tmp/out" ] || fail "a newer report is shown in part"
expect 0 '"schema_version": 2' show "$id"
expect 0 "its members may mean something else" show "$id"
jq -e .report_id "$tmp/out" >"$tmp/null" || fail "a newer report is not shown as it is"
[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "a newer report takes more than a sentence"
expect 0 "$id" list
expect 1 "newer      $id: reports in cells have schema_version 2 (1 of them, this one first)" verify
R=$mine

# Other people's files are named, and not obeyed.
touch "$R/daily/$(printf 'a\033[2J')"
expect 1 "strange    daily: 1 entries of the directory are no reports: 'a\x1b[2J'" verify
rm "$R"/daily/a*
touch "$R/$(printf 'b\033[2J')"
expect 1 "strange    reports: 1 entries of the directory are none of the agent's: 'b\x1b[2J'" verify
expect 1 '"kind": "strange", "level": null' verify --json
rm "$R"/b?*2J
chmod g+w "$R/cells"
expect 1 "open       reports: 1 entries of the directory belong to others, or others may write to them: 'cells'" verify
chmod g-w "$R/cells"
expect 0 "all is well" verify

# Where the lock cannot be had, nothing is made.
rm "$R/.lock"
mkdir "$R/.lock"
expect 73 "cannot be locked" rebuild
rmdir "$R/.lock"
ln -s elsewhere "$R/.lock"
expect 73 "cannot be locked" rebuild
rm "$R/.lock"

# Packed, it is the same.
expect 0 "all is well" verify
gzip -n "$R/cells/$id.json"
expect 0 "$id" show "$id"
expect 0 "all is well" verify
expect 0 '"good": true' verify --json
expect 0 "0 changed" rebuild

# Changed, it is seen.
gunzip "$R/cells/$id.json.gz"
cp "$R/cells/$id.json" "$tmp/kept"
sed -i '0,/"total": /s//"total": 1/' "$R/cells/$id.json"
expect 1 "changed" verify
expect 1 '"good": false' verify --json
expect 65 "nothing is made" rebuild
expect 0 "changed" rebuild --force
expect 1 "changed" verify
cp "$tmp/kept" "$R/cells/$id.json"
expect 1 "makes it new" verify
expect 0 "changed" rebuild
expect 0 "all is well" verify
rm "$R/cells/$id.json"
expect 1 "removed" verify
exit $((failures > 0))
