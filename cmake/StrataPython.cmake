# The Python extension stratadb._native. STRATA_PYTHON=ON demands it (a wheel); AUTO builds it where
# the sources and nanobind are there (a development build).

file(GLOB binding_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/bindings/python/*.cc")
if(NOT binding_sources)
  message(STATUS "Python extension skipped: bindings/python has no sources")
  return()
endif()

if(NOT Python_EXECUTABLE AND EXISTS "${CMAKE_SOURCE_DIR}/.venv/bin/python")
  set(Python_EXECUTABLE "${CMAKE_SOURCE_DIR}/.venv/bin/python")
endif()
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
execute_process(COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
  OUTPUT_VARIABLE nanobind_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE missing)
if(missing AND STRATA_PYTHON STREQUAL "AUTO")
  message(STATUS "Python extension skipped: ${Python_EXECUTABLE} has no nanobind (./dev setup installs it)")
  return()
endif()
find_package(nanobind CONFIG REQUIRED)

nanobind_add_module(_native NB_STATIC NB_DOMAIN stratadb NOMINSIZE NB_SUPPRESS_WARNINGS ${binding_sources})
target_link_libraries(_native PRIVATE strata_db strata_options)
# g++ 12 suspects std::optional where nothing is wrong.
target_compile_options(_native PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
if(STRATA_PYTHON_IN_PLACE)
  set_target_properties(_native PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_SOURCE_DIR}/python/stratadb")
endif()
install(TARGETS _native LIBRARY DESTINATION stratadb)
