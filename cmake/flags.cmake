# SPDX-License-Identifier: MIT
#
# The compiler's flags, as the interface target `edr_flags` that everything of ours links.

add_library(edr_flags INTERFACE)

target_compile_definitions(edr_flags INTERFACE _GNU_SOURCE)
target_compile_options(edr_flags INTERFACE
	-Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 -Wvla -Wundef
	$<$<BOOL:${EDR_WERROR}>:-Werror>
	-fstack-protector-strong
	# No path of the build machine in the program, so that builds can be compared.
	-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
target_link_options(edr_flags INTERFACE -Wl,-z,relro -Wl,-z,now)

if(EDR_SANITIZE)
	target_compile_options(edr_flags INTERFACE -fsanitize=${EDR_SANITIZE}
		-fno-sanitize-recover=all -fno-omit-frame-pointer)
	target_link_options(edr_flags INTERFACE -fsanitize=${EDR_SANITIZE})
elseif(NOT CMAKE_C_FLAGS MATCHES "_FORTIFY_SOURCE")
	# Needs an optimising build, and hides from the sanitizers what it checks itself.
	# -U first: some distributions' compilers define it already.
	target_compile_options(edr_flags INTERFACE
		$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
		$<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
