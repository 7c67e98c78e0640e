//===- Files.h - writing files that are whole or not there -------------------------------------===//

#ifndef HEDDLE_TOOLS_FILES_H
#define HEDDLE_TOOLS_FILES_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace heddle {

/// Writes `bytes` to a temporary file beside `path` and renames it, so that nobody sees half a file. `-`
/// is standard output; a device such as /dev/full is written in place. Errors name path and reason.
llvm::Error writeFile(llvm::StringRef path, llvm::StringRef bytes);

} // namespace heddle

#endif // HEDDLE_TOOLS_FILES_H
