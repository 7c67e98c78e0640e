//===- Tripwires.h - stops on the way through memory that is read or written in order -----------===//

#ifndef HEDDLE_TOOLS_TRIPWIRES_H
#define HEDDLE_TOOLS_TRIPWIRES_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>
#include <vector>

namespace heddle {

/// Pages that tell when they are touched first. Code that goes through memory row by row can be timed in
/// parts by them, as it is; a stop costs it two microseconds.
class Tripwires {
public:
  static int64_t pageBytes();

  /// None.
  Tripwires() = default;
  /// Wires that cut memory into `parts` of one size; fewer where a part would be less than a page.
  Tripwires(char *memory, int64_t bytes, int64_t parts);

  int64_t count() const { return int64_t(pages.size()); }
  /// Leaves one wire of `every`.
  void thin(int64_t every);

  /// Runs `body`. At the first touch of each wire come `stop` and, with the wire out of the way, `resume`; then
  /// `body` goes on. All in this thread, one run at a time. Other faults go where they went before.
  void run(llvm::function_ref<void()> body, llvm::function_ref<void()> stop,
           llvm::function_ref<void()> resume);

private:
  std::vector<char *> pages;
};

} // namespace heddle

#endif // HEDDLE_TOOLS_TRIPWIRES_H
