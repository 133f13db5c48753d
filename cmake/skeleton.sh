#!/bin/sh
# SPDX-License-Identifier: MIT
#
# skeleton.sh BPFTOOL OBJECT NAME HEADER: writes OBJECT's skeleton, struct NAME, to HEADER.
set -eu

# To a temporary first: a bpftool that fails must not leave half a header behind.
{
	echo '/* NOLINTBEGIN: bpftool wrote this */'
	"$1" gen skeleton "$2" name "$3"
	echo '/* NOLINTEND */'
} >"$4.tmp"
mv "$4.tmp" "$4"
