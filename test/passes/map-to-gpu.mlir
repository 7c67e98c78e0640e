// RUN: heddle-opt %s --attn-map-to-gpu --verify-diagnostics -o /dev/null

// expected-error @below {{a GPU target cannot be compiled yet}}
func.func @any() {
  return
}
