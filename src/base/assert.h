/* Assertions that stay on in release builds, and the magic numbers that guard what travels as `void *`.
 *
 * A programmer's error stops the process at once: the keeper starts a clean server again, and a wrong byte
 * never reaches a client. Running out of something is not a programmer's error; see err.h.
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include <stdint.h>

/* Prints the condition with its place to standard error and aborts. */
_Noreturn void assert_fail(const char *condition, const char *file, int line, const char *function);

#define ASSERT(condition) \
    (__builtin_expect(!!(condition), 1) ? (void)0 : assert_fail(#condition, __FILE__, __LINE__, __func__))

/* An object that is handed around as `void *` starts with `uint32_t magic`, set once by its init. */
#define ASSERT_MAGIC(object, expected) ASSERT((object)->magic == (expected))

/* The struct of type `type` whose member `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer) - __builtin_offsetof(type, member)))

#define MUST_CHECK                          __attribute__((warn_unused_result))
#define ARRAY_SIZE(array)                   (sizeof(array) / sizeof((array)[0]))

#endif
