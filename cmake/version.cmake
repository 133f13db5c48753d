# SPDX-License-Identifier: MIT
#
# gen/edr_version.h: EDR_VERSION, and EDR_GIT_COMMIT ("" outside a git checkout).
#
# Included by CMakeLists.txt this makes the target `edr_version`; that target runs this same file as a
# script at each build and rewrites the header only when the commit has changed.

if(NOT CMAKE_SCRIPT_MODE_FILE)
	find_package(Git QUIET)
	add_custom_target(edr_version
		COMMAND ${CMAKE_COMMAND} -DGIT=${GIT_EXECUTABLE} -DVERSION=${PROJECT_VERSION}
			-DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DOUT=${EDR_GEN_DIR}/edr_version.h
			-P ${CMAKE_CURRENT_LIST_FILE}
		BYPRODUCTS ${EDR_GEN_DIR}/edr_version.h
		COMMENT "version"
		VERBATIM)
	return()
endif()

set(commit "")
# A tarball unpacked inside someone else's repository must not take that one's commit.
if(GIT AND EXISTS ${SOURCE_DIR}/.git)
	execute_process(
		COMMAND ${GIT} -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude *
		OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[
#ifndef EDR_VERSION_H
#define EDR_VERSION_H
#define EDR_VERSION "@VERSION@"
#define EDR_GIT_COMMIT "@commit@"
#endif
]] @ONLY)
