# SPDX-License-Identifier: MIT
#
# Toolchain file: builds for arm64 elsewhere.
#
#	cmake -S . -B build-arm64 --toolchain cmake/arm64.cmake -DEDR_SYSROOT=/where/arm64/is
#
# EDR_SYSROOT holds the C library and the libraries of docs/dependencies.md with their headers, for arm64, as Debian puts
# them; scripts/test-kernels makes one from Debian's packages.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

# CMake reads this file again in its own small projects.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES EDR_SYSROOT)
set(CMAKE_SYSROOT ${EDR_SYSROOT})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

set(ENV{PKG_CONFIG_SYSROOT_DIR} ${EDR_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${EDR_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${EDR_SYSROOT}/usr/share/pkgconfig)
