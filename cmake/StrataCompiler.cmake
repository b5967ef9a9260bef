# Compiler settings shared by every target: the interface library strata_options.

find_program(STRATA_CCACHE ccache)
if(STRATA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${STRATA_CCACHE}")
endif()

find_package(Threads REQUIRED)
find_path(STRATA_XXHASH_INCLUDE xxhash.h)
if(NOT STRATA_XXHASH_INCLUDE)
  message(FATAL_ERROR "xxhash.h not found: run ./dev setup (Debian package libxxhash-dev)")
endif()
find_path(STRATA_NETTLE_INCLUDE nettle/sha2.h)
find_library(STRATA_NETTLE_LIBRARY nettle)
if(NOT STRATA_NETTLE_INCLUDE OR NOT STRATA_NETTLE_LIBRARY)
  message(FATAL_ERROR "nettle not found: run ./dev setup (Debian package nettle-dev)")
endif()
find_path(STRATA_ZSTD_INCLUDE zstd.h)
find_library(STRATA_ZSTD_LIBRARY zstd)
if(NOT STRATA_ZSTD_INCLUDE OR NOT STRATA_ZSTD_LIBRARY)
  message(FATAL_ERROR "zstd not found: run ./dev setup (Debian package libzstd-dev)")
endif()
find_path(STRATA_UTF8PROC_INCLUDE utf8proc.h)
find_library(STRATA_UTF8PROC_LIBRARY utf8proc)
if(NOT STRATA_UTF8PROC_INCLUDE OR NOT STRATA_UTF8PROC_LIBRARY)
  message(FATAL_ERROR "utf8proc not found: run ./dev setup (Debian package libutf8proc-dev)")
endif()
find_path(STRATA_STEMMER_INCLUDE libstemmer.h)
find_library(STRATA_STEMMER_LIBRARY stemmer)
if(NOT STRATA_STEMMER_INCLUDE OR NOT STRATA_STEMMER_LIBRARY)
  message(FATAL_ERROR "libstemmer not found: run ./dev setup (Debian package libstemmer-dev)")
endif()

add_library(strata_options INTERFACE)
target_compile_features(strata_options INTERFACE cxx_std_20)
target_include_directories(strata_options INTERFACE
  "${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}/src")
target_include_directories(strata_options SYSTEM INTERFACE 
  "${STRATA_XXHASH_INCLUDE}" "${STRATA_NETTLE_INCLUDE}" "${STRATA_ZSTD_INCLUDE}" "${STRATA_UTF8PROC_INCLUDE}"
  "${STRATA_STEMMER_INCLUDE}")
target_compile_definitions(strata_options INTERFACE
  STRATA_VERSION="${PROJECT_VERSION}"
  $<$<BOOL:${STRATA_DEBUG}>:STRATA_DEBUG=1>)
target_compile_options(strata_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<BOOL:${STRATA_WERROR}>:-Werror>
  # Paths in assertions and debug information start at the project's root, so that a build is the
  # same wherever the clone lies.
  "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
target_link_libraries(strata_options INTERFACE Threads::Threads "${STRATA_NETTLE_LIBRARY}" "${STRATA_ZSTD_LIBRARY}"
  "${STRATA_UTF8PROC_LIBRARY}" "${STRATA_STEMMER_LIBRARY}")

if(STRATA_SANITIZE)
  set(sanitize_flags "-fsanitize=${STRATA_SANITIZE}" -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(strata_options INTERFACE ${sanitize_flags})
  target_link_options(strata_options INTERFACE ${sanitize_flags})
endif()

if(STRATA_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(LANGUAGES CXX)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
