/* The table of err.def, made into look-ups. Constant data: any thread.
 */
#include "base/err.h"

#include <errno.h>

#include "base/assert.h"

struct err_row {
    const char *reason;
    const char *sentence;
    const char *proxy_status;
    int status;
    enum err_fault fault;
    enum err_retry retry;
};

static const struct err_row err_rows[ERR_COUNT] = {
    [ERR_OK] = {"ok", "All is well.", "", 0, ERR_FAULT_NONE, ERR_RETRY_NEVER},
#define ERR(name, reason, status, fault, retry, proxy_status, sentence) \
    [ERR_##name] = {reason, sentence, proxy_status, status, ERR_FAULT_##fault, ERR_RETRY_##retry},
#include "base/err.def"
#undef ERR
};

static const struct err_row *err_row(int code)
{
    unsigned index = code < 0 ? 0u - (unsigned)code : (unsigned)code;
    ASSERT(index < ERR_COUNT);
    return &err_rows[index];
}

const char *err_reason(int code)
{
    return err_row(code)->reason;
}

const char *err_sentence(int code)
{
    return err_row(code)->sentence;
}

const char *err_proxy_status(int code)
{
    return err_row(code)->proxy_status;
}

int err_http_status(int code)
{
    return err_row(code)->status;
}

enum err_fault err_fault(int code)
{
    return err_row(code)->fault;
}

enum err_retry err_retry(int code)
{
    return err_row(code)->retry;
}

static enum err_code err_code_of_errno(int system_errno)
{
    switch (system_errno) {
    case ENOMEM:
    case ENOBUFS: return ERR_NO_MEMORY;
    case EMFILE:
    case ENFILE: return ERR_NO_DESCRIPTORS;
    case EADDRINUSE: return ERR_ADDRESS_IN_USE;
    case EACCES:
    case EPERM: return ERR_NO_PERMISSION;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: return ERR_BAD_ADDRESS;
    case ECONNREFUSED: return ERR_CONNECT_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN: return ERR_CONNECT_UNREACHABLE;
    case ETIMEDOUT: return ERR_CONNECT_TIMEOUT;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE: return ERR_CONN_RESET;
    case ECANCELED: return ERR_CANCELLED;
    default: return ERR_SYSTEM;
    }
}

int err_from_errno(int system_errno)
{
    return -(int)err_code_of_errno(system_errno);
}
