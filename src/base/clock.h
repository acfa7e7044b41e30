/* Time, replaceable: tests and the simulation set a source of their own.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

enum clock_kind {
    CLOCK_KIND_STEADY, /* never goes back; its zero means nothing */
    CLOCK_KIND_WALL,   /* since 1970, UTC; may jump */
};

typedef int64_t (*clock_source_fn)(enum clock_kind kind); /* nanoseconds */

/* Any thread. */
int64_t clock_steady_ns(void);
int64_t clock_wall_ns(void);
/* Before threads start; NULL restores the system's clock. */
void clock_set_source(clock_source_fn source);

static inline int64_t clock_steady_ms(void)
{
    return clock_steady_ns() / 1000000;
}

/* wall_ns as RFC 3339 in UTC with milliseconds, "2026-01-31T23:59:59.123Z", into out (room for CLOCK_STAMP_BYTES, no
 * NUL). */
enum { CLOCK_STAMP_BYTES = 24 };
void clock_stamp(char out[CLOCK_STAMP_BYTES], int64_t wall_ns);

#endif
