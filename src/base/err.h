/* Error codes: one table (err.def) gives each its name, status, whose fault it is and whether a retry is safe.
 *
 * A function that can fail returns 0 or a negative code `-ERR_X`. Errors are values: no errno travels upwards.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
    ERR_OK = 0,
#define ERR(name, reason, status, fault, retry, proxy_status, sentence) ERR_##name,
#include "base/err.def"
#undef ERR
    ERR_COUNT
};

enum err_fault { ERR_FAULT_NONE, ERR_FAULT_CLIENT, ERR_FAULT_WORKER, ERR_FAULT_SELF };
enum err_retry { ERR_RETRY_NEVER, ERR_RETRY_UNSENT, ERR_RETRY_REPEAT };

/* Each takes a code with either sign and returns text or numbers that live for ever. 0 gives "ok" and status 0. */
const char *err_reason(int code);
const char *err_sentence(int code);
const char *err_proxy_status(int code);
int err_http_status(int code);
enum err_fault err_fault(int code);
enum err_retry err_retry(int code);

/* The negative code for a system call's errno (positive, as in <errno.h>); -ERR_SYSTEM for those without one. */
int err_from_errno(int system_errno);

#endif
