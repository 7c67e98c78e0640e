//===- Npy.h - numpy's file format, one array a file -------------------------------------------===//

#ifndef HEDDLE_TOOLS_NPY_H
#define HEDDLE_TOOLS_NPY_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace heddle {

/// A dense array, C order, little endian. `descr` as numpy writes it: "<f4", "<f2", "<u2" (bits of a
/// bf16), "<i4", "|i1", "|b1".
struct NpyArray {
  std::string descr;
  llvm::SmallVector<int64_t> shape;
  std::vector<char> bytes;
};

/// Reads a .npy file of version 1, 2 or 3. Errors, in words: not a .npy file, cut off, longer than its
/// shape, Fortran order, big endian, objects, an element type other than the above (float64 among them).
llvm::Expected<NpyArray> readNpy(llvm::StringRef path);

/// Writes version 1, through a temporary file that is renamed: no half-written file is ever seen.
llvm::Error writeNpy(llvm::StringRef path, const NpyArray &array);

/// Bytes of one element of `descr`; 0 if it is not one of the above.
int64_t npyElementSize(llvm::StringRef descr);

} // namespace heddle

#endif // HEDDLE_TOOLS_NPY_H
