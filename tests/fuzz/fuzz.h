/* What every harness needs: its entry point, and a check that stays on whatever the build.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

/* libFuzzer's name for a harness: bytes are tried, a failed ASSERT or a sanitizer's report is a finding. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#endif
