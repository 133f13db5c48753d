# SPDX-License-Identifier: MIT
#
# Fuzzers: each tests/fuzz/fuzz_<name>.c is one libFuzzer program.  CTest runs each for a short while
# (label `fuzz`), from the seeds in tests/fuzz/seeds/<name>/ where that folder exists.

if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
	message(FATAL_ERROR "the fuzzers need clang: use `cmake --preset fuzz`")
endif()

set(EDR_FUZZ_SECONDS 20 CACHE STRING "How long CTest runs each fuzzer")

target_compile_options(edr_flags INTERFACE -fsanitize=fuzzer-no-link)
target_link_options(edr_flags INTERFACE -fsanitize=fuzzer-no-link)

file(GLOB fuzzers CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
foreach(source IN LISTS fuzzers)
	get_filename_component(name ${source} NAME_WE)
	string(REGEX REPLACE "^fuzz_" "" subject ${name})
	add_executable(${name} ${source})
	target_link_libraries(${name} PRIVATE edr)
	target_link_options(${name} PRIVATE -fsanitize=fuzzer)
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)

	# The first folder receives what the fuzzer finds: never the tracked seeds.
	set(corpus ${PROJECT_BINARY_DIR}/fuzz/corpus_${subject})
	file(MAKE_DIRECTORY ${corpus})
	set(seeds ${PROJECT_SOURCE_DIR}/tests/fuzz/seeds/${subject})
	if(NOT EXISTS ${seeds})
		set(seeds "")
	endif()
	add_test(NAME ${name} WORKING_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz
		COMMAND ${name} -max_total_time=${EDR_FUZZ_SECONDS} -timeout=10 ${corpus} ${seeds})
	set_tests_properties(${name} PROPERTIES LABELS fuzz)
endforeach()
