# What all our C++ targets share.

add_library(heddle_warnings INTERFACE)
target_compile_options(heddle_warnings INTERFACE -Wall -Wextra -Wno-unused-parameter)
if(HEDDLE_WERROR)
  target_compile_options(heddle_warnings INTERFACE -Werror)
endif()

# MLIR and LLVM, static: a tool that starts in 5 ms, not 30, and runs where neither is installed. Files, not
# targets, of MLIR: its targets bring the shared LLVM along.
get_property(mlir_targets GLOBAL PROPERTY MLIR_ALL_LIBS)
set(mlir_libraries)
foreach(target ${mlir_targets})
  get_target_property(type ${target} TYPE)
  if(type STREQUAL STATIC_LIBRARY)
    list(APPEND mlir_libraries $<TARGET_FILE:${target}>)
  endif()
endforeach()
llvm_map_components_to_libnames(llvm_libraries Core Option Passes X86 NVPTX)
add_library(heddle_mlir INTERFACE)
target_include_directories(heddle_mlir SYSTEM INTERFACE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
target_link_libraries(heddle_mlir INTERFACE ${mlir_libraries} ${llvm_libraries})
target_link_options(heddle_mlir INTERFACE -no-pie -Wl,--as-needed -Wl,--gc-sections)

# heddle_library(NAME sources...): a static library without exceptions that may include LLVM and MLIR.
function(heddle_library name)
  add_library(${name} STATIC ${ARGN})
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
  target_link_libraries(${name} PRIVATE heddle_warnings)
endfunction()

# heddle_tool(NAME sources...): an executable that may include them.
function(heddle_tool name)
  add_executable(${name} ${ARGN})
  target_compile_options(${name} PRIVATE -fno-exceptions)
  target_link_libraries(${name} PRIVATE heddle_warnings heddle_mlir)
endfunction()
