//===- TargetTable.cpp - one row per machine ---------------------------------------------------===//

#include "dialect/target/TargetInfo.h"
#include "llvm/ADT/STLExtras.h"

using namespace heddle;

static constexpr llvm::StringLiteral linux = "x86_64-unknown-linux-gnu";
static constexpr llvm::StringLiteral cuda = "nvptx64-nvidia-cuda";

// Cache sizes: the smallest of the class (L2 of Zen 3 and of Skylake servers).
static constexpr TargetInfo table[] = {
    {"x86-64-v3", TargetKind::Cpu, linux, "x86-64-v3", "", 3, 0, 8, 16, 512 * 1024, false},
    {"x86-64-v4", TargetKind::Cpu, linux, "x86-64-v4", "", 4, 0, 16, 32, 1024 * 1024, true},
    {"sm_80", TargetKind::Gpu, cuda, "sm_80", "+ptx70", 0, 80, 32, 255, 48 * 1024, false},
    {"sm_86", TargetKind::Gpu, cuda, "sm_86", "+ptx71", 0, 86, 32, 255, 48 * 1024, false},
    {"sm_89", TargetKind::Gpu, cuda, "sm_89", "+ptx78", 0, 89, 32, 255, 48 * 1024, false},
    {"sm_90", TargetKind::Gpu, cuda, "sm_90", "+ptx78", 0, 90, 32, 255, 48 * 1024, false},
};

static constexpr llvm::StringLiteral names[] = {"x86-64-v3", "x86-64-v4", "sm_80",
                                                "sm_86",     "sm_89",     "sm_90"};
static_assert(std::size(names) == std::size(table));

const TargetInfo *heddle::lookupTarget(llvm::StringRef name) {
  const TargetInfo *row = llvm::find_if(table, [&](const TargetInfo &t) { return t.name == name; });
  return row == std::end(table) ? nullptr : row;
}

llvm::ArrayRef<llvm::StringLiteral> heddle::targetNames() { return names; }
