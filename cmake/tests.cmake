# SPDX-License-Identifier: MIT
#
# Unit tests, label `unit`: each tests/unit/test_*.c is a program linked to `edr` and Check, each executable
# tests/unit/test_*.sh a script.  Any other tests/unit/*.c is linked to every one of the programs.
#
# All run in the source folder (so that "tests/vectors/..." opens); EDR_BINARY names the built program;
# exit status 77 is "skipped".

set(edr_test_environment EDR_BINARY=${PROJECT_BINARY_DIR}/linux-edr-bpf EDR_BUILD_DIR=${PROJECT_BINARY_DIR})
if(EDR_SANITIZE)
	list(APPEND edr_test_environment UBSAN_OPTIONS=print_stacktrace=1
		ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1)
endif()

# edr_add_test(NAME LABEL COMMAND...): the same rules for every kind of test; tests/*/CMakeLists.txt use it too.
function(edr_add_test name label)
	add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
	set_tests_properties(${name} PROPERTIES LABELS ${label} SKIP_RETURN_CODE 77 TIMEOUT 900
		ENVIRONMENT "${edr_test_environment}")
endfunction()

file(GLOB unit_helpers CONFIGURE_DEPENDS tests/unit/*.c)
list(FILTER unit_helpers EXCLUDE REGEX "/test_[^/]*$")
add_library(unit_helpers OBJECT ${unit_helpers})
target_link_libraries(unit_helpers PRIVATE edr PkgConfig::CHECK)
file(GLOB unit_programs CONFIGURE_DEPENDS tests/unit/test_*.c)
file(GLOB unit_scripts CONFIGURE_DEPENDS tests/unit/test_*.sh)

foreach(source IN LISTS unit_programs)
	get_filename_component(name ${source} NAME_WE)
	add_executable(${name} ${source})
	target_link_libraries(${name} PRIVATE unit_helpers edr PkgConfig::CHECK)
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
	edr_add_test(${name} unit ${name})
endforeach()
if(EDR_SANITIZE)
	set_property(TEST test_crash APPEND PROPERTY ENVIRONMENT EDR_CRASH_EVERY=7)
endif()
foreach(source IN LISTS unit_scripts)
	get_filename_component(name ${source} NAME_WE)
	edr_add_test(${name} unit ${source})
endforeach()

file(GLOB test_folders CONFIGURE_DEPENDS tests/*/CMakeLists.txt)
foreach(list_file IN LISTS test_folders)
	get_filename_component(folder ${list_file} DIRECTORY)
	add_subdirectory(${folder})
endforeach()
