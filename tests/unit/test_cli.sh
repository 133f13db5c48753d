#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The program as its users meet it: help, configuration, messages, exit statuses, replay.  Needs neither root nor a
# kernel feature.
set -eu

program=${EDR_BINARY:?names the program}
[ -x "$program" ] || { echo "$program is not there"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
source=$PWD
cd "$tmp"
mkdir home
HOME=$tmp/home
export HOME
unset SUDO_UID OPENAI_API_KEY
umask 022

failures=0
fail()
{
	echo "FAILED: $*"
	failures=$((failures + 1))
}

# expect STATUS TEXT ARGUMENT...: that exit status, and TEXT somewhere in what is printed.
expect()
{
	status=$1 text=$2
	shift 2
	got=0
	"$program" "$@" >out 2>err </dev/null || got=$?
	[ $got -eq "$status" ] || fail "$* gives $got, not $status: $(head -c 300 err)"
	cat out err >both
	[ -z "$text" ] || grep -qF -e "$text" both || fail "'$text' is not in what $* prints: $(head -c 300 both)"
}

# wrong STATUS TEXT ARGUMENT...: as expect, and one line on standard error, nothing on standard output.
wrong()
{
	expect "$@"
	[ "$(wc -l <err)" -eq 1 ] || fail "not one line: $(cat err)"
	[ ! -s out ] || fail "standard output: $(head -c 200 out)"
}

# help, version
expect 0 "usage: linux-edr-bpf" help
[ "$(wc -l <out)" -le 24 ] || fail "help has $(wc -l <out) lines, a screen has 24"
[ "$(wc -L <out)" -le 80 ] || fail "help is $(wc -L <out) columns wide, a screen has 80"
for command in run replay check show-config version help; do
	grep -qE "^  $command " out || fail "help does not name $command"
	"$program" help $command >one || fail "help $command"
	[ "$(wc -L <one)" -le 100 ] || fail "help $command is wider than 100 columns"
	"$program" $command --help | cmp -s - one || fail "$command --help differs from help $command"
done
"$program" --help | cmp -s - out || fail "--help differs from help"
grep -q self-test out && fail "help names the hidden command"
expect 0 "linux-edr-bpf 0." version
expect 0 "libbpf 1." --version
"$program" version --json | jq -e '.name == "linux-edr-bpf" and .version and .libbpf' >/dev/null || fail "version --json"
expect 0 "" self-test 0123
[ ! -s both ] || fail "self-test prints something"

# wrong usage
wrong 64 "did you mean --interval?" --intreval 3
wrong 64 "did you mean --output?" run --ouput x
wrong 64 "--help lists them" -Z
wrong 64 "option --interval needs an argument" -i
wrong 64 "did you mean show-config?" show-cfonig
wrong 64 "there is no command 'frobnicate'" frobnicate
wrong 64 "did you mean replay?" help repaly
wrong 64 "run takes a file only with --source replay" run FILE
wrong 64 "needs the file" replay
wrong 64 "replay takes at most 1 argument" replay a b
wrong 64 "unknown option" run --json
wrong 64 "hooks must be default or lean; did you mean lean?" show-config --hooks leen
wrong 64 "source must be auto, bpf, bpf-btf, bpf-plain, ftrace or replay" show-config --source netlink
wrong 64 "did you mean bpf? It is 'bfp'" show-config --source bfp
wrong 64 "there is no 'openatt'; did you mean openat?" show-config --set ADVANCED.syscalls_to_trace=execve,openatt
wrong 64 "there is no 'frobnicate', as in" show-config --set ADVANCED.syscalls_to_trace=frobnicate
printf '[ADVANCED]\nsyscalls_to_trace = fork, exceve\n' >bad.conf
wrong 78 "bad.conf:2: syscalls_to_trace must hold names of system calls, and there is no 'exceve'; did you mean execve?" \
	run -c bad.conf
wrong 64 "there is no section 'FILTR'; did you mean FILTER?" show-config --set FILTR.exclude_uids=0
wrong 64 "no key 'exclude_uid'; did you mean exclude_uids?" show-config --set FILTER.exclude_uid=0
wrong 64 "\\x1b]0;x" "$(printf 'a\033]0;x')"

# fault 12: intervals that make empty or endless windows; a file that is not there; % and comments in values
for minutes in 0 -5 7 1440 1.5 ''; do
	wrong 64 "1 2 3 4 5 6 8 10 12 15 16 20 24 30 40 48 60 80 120 240 (minutes)" run -i "$minutes"
done
wrong 78 "configuration file nowhere.conf cannot be read: No such file or directory" run --config nowhere.conf
wrong 78 "is a directory" run -c .
wrong 78 "the name of the configuration file is empty" run -c ""
ln -s nowhere dangling
wrong 78 "dangling is a symbolic link to a file that is not there" run -c dangling
ln -s nowhere linux-edr.conf
wrong 78 "linux-edr.conf is a symbolic link to a file that is not there" run
rm linux-edr.conf
printf '[DEFAULT]\nreport_interval = 30 # half an hour\nmodel = 100%%d\n' >good.conf
expect 0 "report_interval           = 30                           # file good.conf:2" show-config -c good.conf
grep -qF "model                     = 100%d " out || fail "a value with %"
printf '[DEFAULT]\nreport_interval = 7\n' >bad.conf
wrong 78 "bad.conf:2: report_interval must" run -c bad.conf
printf '[DEFAULT]\nreport_intervall = 15\n' >bad.conf
wrong 78 "bad.conf:2: section DEFAULT has no key 'report_intervall'; did you mean report_interval?" run -c bad.conf
printf '[DEFUALT]\n' >bad.conf
wrong 78 "bad.conf:1: there is no section 'DEFUALT'; did you mean DEFAULT?" show-config -c bad.conf

# where a value comes from: default, file, environment, option
show() # ORIGIN VALUE [ARGUMENT]...
{
	origin=$1 value=$2
	shift 2
	"$program" show-config --json "$@" >show.json || fail "show-config --json $*"
	jq -e --arg origin "$origin" --argjson value "$value" \
		'.DEFAULT.report_interval | .origin == $origin and .value == $value' show.json >/dev/null ||
		fail "report_interval: $(jq -c .DEFAULT.report_interval show.json), not $value from $origin"
}
show default 15
cp good.conf linux-edr.conf
show file 30
mkdir -p home/.config/linux-edr
mv linux-edr.conf home/.config/linux-edr/
show file 30
LINUX_EDR_DEFAULT_REPORT_INTERVAL=20
export LINUX_EDR_DEFAULT_REPORT_INTERVAL
show environment 20
show option 10 -i 10
show option 12 --set DEFAULT.report_interval=12
LINUX_EDR_DEFAULT_REPORT_INTERVAL=7
wrong 78 "environment variable LINUX_EDR_DEFAULT_REPORT_INTERVAL: report_interval must" show-config
unset LINUX_EDR_DEFAULT_REPORT_INTERVAL
LINUX_EDR_DEFAULT_REPORT_INTERVALL=5 "$program" show-config >out 2>err || fail "an unknown variable is no error"
grep -qF "did you mean LINUX_EDR_DEFAULT_REPORT_INTERVAL?" err || fail "no word of the unknown variable: $(cat err)"
OPENAI_API_KEY=sk-secret-1 "$program" show-config --json >out
grep -q sk-secret-1 out && fail "show-config shows the key"
jq -e '.OPENAI.api_key | .value == "********" and .where == "OPENAI_API_KEY"' out >/dev/null || fail "OPENAI_API_KEY"
chmod 000 home/.config/linux-edr/linux-edr.conf
if ! cat home/.config/linux-edr/linux-edr.conf >/dev/null 2>&1; then
	wrong 78 "Permission denied" show-config
fi
rm -r home/.config
# A home that may not be searched is passed over; a configuration in it would not be for this user.
chmod 000 home
expect 0 "" show-config
chmod 700 home
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	mkdir -m 700 roots
	got=0
	(cd roots && HOME=$tmp/roots exec setpriv --reuid=65534 --regid=65534 --clear-groups "$program" show-config) \
		>out 2>err || got=$?
	case $got in
	0 | 126 | 127) ;; # the program may lie where that user cannot reach it
	*) fail "a home of root's keeps another user from starting: $(cat err)" ;;
	esac
fi
"$program" show-config --sample | cmp - "$source/linux-edr.conf" ||
	fail "linux-edr.conf is not what show-config --sample prints"
sed '1,/show-config --roff/d; /^.SH SEE ALSO/,$d' "$source/packaging/man/linux-edr.conf.5" >table.roff
"$program" show-config --roff | cmp - table.roff || fail "linux-edr.conf(5) has not the table of show-config --roff"
for key in $("$program" show-config --json | jq -r '.[] | keys[]'); do
	grep -qxF ".B $key" table.roff || fail "linux-edr.conf(5) does not name $key"
done
for option in $("$program" help run | grep -oE -e '--[a-z-]+' | sort -u); do
	grep -qF -e "$(echo "$option" | sed 's/-/\\-/g')" "$source/packaging/man/linux-edr-bpf.8" ||
		fail "linux-edr-bpf(8) does not name $option"
done
if [ -e /dev/full ]; then
	got=0
	"$program" show-config >/dev/full 2>/dev/null || got=$?
	[ $got -eq 74 ] || fail "a full disk behind show-config gives $got, not 74"
fi

# check: whatever this host offers, its JSON parses and its exit status is one of four
got=0
"$program" check --json >check.json 2>err || got=$?
case $got in
0 | 1 | 69 | 77) ;;
*) fail "check gives $got: $(cat err)" ;;
esac
jq -e --argjson status $got '.exit_status == $status and (.checks | length > 5) and
	(.result | IN("ok", "degraded", "unavailable", "no_permission")) and
	(.sources | map(.name) == ["bpf", "bpf-btf", "bpf-plain", "ftrace"]) and
	(.source as $taken | [.sources[] | select(.state == "taken") | .name] | . == [] or . == [$taken]) and
	all(.sources[]; (.state == "refused") == (.why != ""))' check.json >/dev/null || fail "check --json"
"$program" check >out 2>err || :
grep -q "exit status $got" out || fail "check names no exit status"
[ ! -e reports ] || fail "check made the reports directory"

# the reports directory, as run judges it
mkdir -m 777 shared
dir_state() { "$program" check --json --reports-dir "$1" | jq -r '.checks[] | select(.name == "reports_dir") | .state + ": " + .what'; }
case $(dir_state shared) in
"no permission: others than its owner may write"*) ;;
*) fail "check of a directory that all can write: $(dir_state shared)" ;;
esac
[ "$(dir_state new/and/nested)" = "ok: new/and/nested can be made" ] || fail "check of a nested directory: $(dir_state new/and/nested)"
[ ! -e new ] || fail "check made a directory"
model_state() { "$program" check --json -c "$1" | jq -r '[.checks[] | select(.name | startswith("model")) | .state] | join(" ")'; }
[ "$(jq -r '.checks[] | select(.name == "model") | .what' check.json)" = "none is to be asked: no key, no api_base" ] || fail "check of no model"
echo secret >open.key
printf '[OPENAI]\napi_key_file = %s\n' "$tmp/open.key" >key.conf
[ "$(model_state key.conf)" = gap ] || fail "check of a key that all can read: $(model_state key.conf)"
printf '[OPENAI]\napi_base = http://192.0.2.1/v1\n' >plain.conf
[ "$(model_state plain.conf)" = gap ] || fail "check of http to another host: $(model_state plain.conf)"
printf '[OPENAI]\napi_base = http://127.0.0.1:9/v1\n' >here.conf
case $(model_state here.conf) in
"ok ok" | "ok note" | "ok gap") ;; # as root, as another user, without the client or seccomp
*) fail "check of a model here: $(model_state here.conf)" ;;
esac

# without capabilities: what is missing, and how to give it
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	got=0
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all \
		"$program" run -c /dev/null >out 2>err || got=$?
	[ $got -eq 77 ] || [ $got -eq 126 ] || [ $got -eq 127 ] || fail "run without root gives $got, not 77: $(cat err)"
	[ $got -ne 77 ] || grep -q "CAP_BPF.*run it as root" err || fail "what is missing, and how to give it: $(cat err)"
fi

# A capture, from the golden records.  The header and the mark are as docs/capture-format.md has them.
vectors=$source/tests/vectors
{
	printf 'EDRCAP\r\n\001\000\030\000\004\003\002\001\001\000\000\000\000\000\000\000'
	for record in clock host process exec fork connect exit loss; do
		cat "$vectors/$record.bin"
	done
} >cut.cap
{
	cat cut.cap
	printf '\001\000\377\377\050\000\000\000'
	head -c 28 /dev/zero
	printf '\001\000\000\000'
} >whole.cap

replay() # STATUS TEXT CAPTURE [ARGUMENT]...
{
	status=$1 text=$2 capture=$3
	shift 3
	rm -rf reports
	expect "$status" "$text" replay -c /dev/null "$capture" "$@"
}
replay 0 "8 records" whole.cap --output one.jsonl
[ -d reports ] || fail "no reports of a replay"
for file in reports/*/*.json; do
	jq -e .schema_version "$file" >/dev/null || fail "$file is no report"
	[ "$(stat -c %a "$file")" = 600 ] || fail "$file is open to others"
done
mv reports first
replay 0 "8 records" whole.cap --output two.jsonl
diff -r first reports || fail "two replays of one capture differ"
cmp one.jsonl two.jsonl || fail "two replays of one capture give different lines"
[ "$(jq -s 'map(.type) == ["exec", "fork", "connect", "exit"]' one.jsonl)" = true ] ||
	fail "the lines of a replay: $(cut -c 1-60 one.jsonl)"
replay 0 "" whole.cap --stdout
jq -e . out >/dev/null || fail "--stdout holds something else than JSON"
cmp one.jsonl out || fail "--stdout differs from --output"
rm -rf reports
expect 0 "8 records" run -c /dev/null --source replay whole.cap

replay 65 "cut or damaged after 8 records" cut.cap
[ -n "$(find reports -name '*.json')" ] || fail "what could be read of a cut capture is not reported"
size=$(wc -c <whole.cap)
for at in 24 25 63 64 65 200 $((size - 1)) $((size - 39)) $((size - 41)); do
	head -c $at whole.cap >short.cap
	replay 65 "cut or damaged" short.cap
done
replay 65 "not a capture" /dev/null
head -c 23 whole.cap >short.cap
replay 65 "not a capture" short.cap
head -c 100000 /dev/urandom >garbage.cap
replay 65 "not a capture" garbage.cap
{ head -c 24 whole.cap; head -c 100000 /dev/urandom; } >garbage.cap
replay 65 "" garbage.cap
{ printf 'EDRCAP\r\n\002'; tail -c +10 whole.cap; } >newer.cap
replay 65 "capture version 2" newer.cap
replay 66 "No such file or directory" missing.cap
[ ! -e reports ] || fail "a capture that is not there leaves a reports directory"
replay 66 "Is a directory" .
expect 73 "" replay -c /dev/null whole.cap --reports-dir whole.cap
expect 73 "" replay -c /dev/null whole.cap --output home

# two writers of one directory
expect 0 "" replay -c /dev/null whole.cap --reports-dir deep/er/new
[ "$(stat -c '%a %s' deep/er/new/.lock)" = "600 0" ] || fail "the lock is open to others"
exec 9<>deep/er/new/.lock
flock 9
wrong 75 "another linux-edr-bpf writes its reports to deep/er/new" \
	replay -c /dev/null whole.cap --reports-dir deep/er/new
exec 9<&-
# Others may read a directory of mode 0755, and must not be able to lock us out by it.
mkdir -m 755 open
exec 9<open
flock 9
expect 0 "" replay -c /dev/null whole.cap --reports-dir open
exec 9<&-
rm -rf open/.lock
mkdir open/.lock
wrong 73 "open/.lock cannot be locked" replay -c /dev/null whole.cap --reports-dir open

[ $failures -eq 0 ] || { echo "$failures failed"; exit 1; }
