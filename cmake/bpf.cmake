# SPDX-License-Identifier: MIT
#
# bpf/<name>.bpf.c -> BPF object (BTF kept, DWARF stripped) -> gen/<name>.skel.h.
#
# Needs no BTF of the build machine: the kernel types come from vmlinux/.

find_program(EDR_CLANG NAMES clang REQUIRED DOC "clang, for the BPF object")
find_program(EDR_LLVM_STRIP NAMES llvm-strip DOC "llvm-strip; without it the object keeps its DWARF")

function(edr_bpftool_works result candidate)
	execute_process(COMMAND ${candidate} version
		RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
	if(NOT status EQUAL 0)
		set(${result} FALSE PARENT_SCOPE)
	endif()
endfunction()

# Ubuntu's /usr/bin/bpftool is a script that works only for the running kernel's version; its packages put
# the real one below linux-tools.  The newest one is as good as any: only `gen skeleton` is used.
file(GLOB ubuntu_tools /usr/lib/linux-tools/* /usr/lib/linux-tools-*)
list(SORT ubuntu_tools COMPARE NATURAL ORDER DESCENDING)
find_program(EDR_BPFTOOL NAMES bpftool REQUIRED
	PATHS ${ubuntu_tools} /usr/sbin /usr/local/sbin /sbin
	VALIDATOR edr_bpftool_works
	DOC "bpftool, for the skeleton")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
	set(edr_bpf_arch x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
	set(edr_bpf_arch arm64)
else()
	message(FATAL_ERROR "no kernel types for ${CMAKE_SYSTEM_PROCESSOR} in vmlinux/; there are x86_64 and arm64")
endif()

set(edr_bpf_flags -g -O2 -target bpf -D__TARGET_ARCH_${edr_bpf_arch}
	-Wall -Wextra -Wno-unused-parameter -Wno-missing-declarations
	-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=
	-I${PROJECT_SOURCE_DIR}/vmlinux -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/bpf)
if(EDR_WERROR)
	list(APPEND edr_bpf_flags -Werror)
endif()
if(EDR_BPF_CPU)
	list(APPEND edr_bpf_flags -mcpu=${EDR_BPF_CPU})
endif()

# edr_add_bpf(TARGET SOURCE): TARGET may include the skeleton of SOURCE.
function(edr_add_bpf target source)
	get_filename_component(name ${source} NAME_WE)
	set(object ${EDR_GEN_DIR}/${name}.bpf.o)
	set(skeleton ${EDR_GEN_DIR}/${name}.skel.h)
	set(libbpf_includes ${LIBBPF_INCLUDE_DIRS})
	list(TRANSFORM libbpf_includes PREPEND -I)

	set(strip_command "")
	if(EDR_LLVM_STRIP)
		set(strip_command COMMAND ${EDR_LLVM_STRIP} -g ${object})
	endif()
	file(MAKE_DIRECTORY ${EDR_GEN_DIR})
	add_custom_command(OUTPUT ${object}
		COMMAND ${EDR_CLANG} ${edr_bpf_flags} ${libbpf_includes}
			-MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
		${strip_command}
		DEPENDS ${source}
		DEPFILE ${object}.d
		COMMENT "BPF object ${name}.bpf.o"
		VERBATIM)
	add_custom_command(OUTPUT ${skeleton}
		COMMAND ${PROJECT_SOURCE_DIR}/cmake/skeleton.sh ${EDR_BPFTOOL} ${object} ${name}_bpf ${skeleton}
		DEPENDS ${object} ${PROJECT_SOURCE_DIR}/cmake/skeleton.sh
		COMMENT "BPF skeleton ${name}.skel.h"
		VERBATIM)
	add_custom_target(${name}_skeleton DEPENDS ${skeleton})
	add_dependencies(${target} ${name}_skeleton)
endfunction()
