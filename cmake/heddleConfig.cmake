# find_package(heddle): the runtime heddle::rt, the tool heddle::heddle, and heddle_add_kernel().
get_filename_component(HEDDLE_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET heddle::rt)
  find_package(Threads REQUIRED)
  add_library(heddle::rt STATIC IMPORTED)
  set_target_properties(heddle::rt PROPERTIES
    IMPORTED_LOCATION "${HEDDLE_PREFIX}/lib/libheddle_rt.a"
    INTERFACE_INCLUDE_DIRECTORIES "${HEDDLE_PREFIX}/include"
    INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};m")
  add_executable(heddle::heddle IMPORTED)
  set_target_properties(heddle::heddle PROPERTIES IMPORTED_LOCATION "${HEDDLE_PREFIX}/bin/heddle")
endif()

# heddle_add_kernel(NAME SPEC file.json [SIZE D=64 ...] [TARGET portable] [OPTIONS ...])
#
# Compiles a spec at build time and makes a library target NAME to link against, with NAME.h on its
# include path. NAME is the spec's own name.
function(heddle_add_kernel name)
  cmake_parse_arguments(arg "" "SPEC;TARGET" "SIZE;OPTIONS" ${ARGN})
  if(NOT arg_SPEC)
    message(FATAL_ERROR "heddle_add_kernel(${name}): SPEC is missing")
  endif()
  if(NOT arg_TARGET)
    set(arg_TARGET portable)
  endif()
  get_filename_component(spec "${arg_SPEC}" ABSOLUTE)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${name}.heddle")
  set(sizes "")
  foreach(size IN LISTS arg_SIZE)
    list(APPEND sizes --size "${size}")
  endforeach()
  add_custom_command(
    OUTPUT "${folder}/lib${name}.a" "${folder}/${name}.h"
    COMMAND heddle::heddle compile "${spec}" ${sizes} --target "${arg_TARGET}" ${arg_OPTIONS} -o "${folder}"
    DEPENDS "${spec}" heddle::heddle
    COMMENT "Compiling the spec ${name}"
    VERBATIM)
  add_custom_target(${name}_heddle DEPENDS "${folder}/lib${name}.a" "${folder}/${name}.h")
  file(MAKE_DIRECTORY "${folder}")
  add_library(${name} STATIC IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES
    IMPORTED_LOCATION "${folder}/lib${name}.a"
    INTERFACE_INCLUDE_DIRECTORIES "${folder}"
    INTERFACE_LINK_LIBRARIES heddle::rt)
  add_dependencies(${name} ${name}_heddle)
endfunction()
