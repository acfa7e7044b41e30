/* In place of TLS where the library was left out (-Dtls=none): whoever asks for it is told. */
#include "net/tls_none.h"

#include <stdio.h>

#include "net/tls_kernel.h"

const struct transport transport_tls; /* no conn gets it: there is no struct tls_ctx */

static int refuse(struct tls_why *why)
{
    (void)snprintf(why->text, TLS_WHY_MAX, "this program was built without TLS (-Dtls=none)");
    why->origin = NULL;
    return -ERR_CONFIG;
}

int tls_server_create(const struct tls_server_options *options, struct tls_ctx **ret_ctx, struct tls_why *why)
{
    return refuse(why);
}

int tls_client_create(const struct tls_client_options *options, struct tls_ctx **ret_ctx, struct tls_why *why)
{
    return refuse(why);
}

int tls_client_for(struct tls_ctx *shared, struct str name, struct tls_ctx **ret_ctx)
{
    return -ERR_CONFIG;
}

struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx)
{
    return ctx;
}

void tls_ctx_unref(struct tls_ctx *ctx)
{
}

bool tls_kernel_offered(void)
{
    return false;
}

size_t tls_ctx_certificates(const struct tls_ctx *ctx)
{
    return 0;
}

bool tls_ctx_is_chosen(const struct tls_ctx *ctx, size_t index)
{
    return false;
}

bool tls_ctx_knows_kinds(void)
{
    return false;
}

bool tls_ctx_lists_fit(const struct tls_ctx *ctx)
{
    return true;
}

int64_t tls_ctx_not_before_s(const struct tls_ctx *ctx, size_t index)
{
    return 0;
}

int64_t tls_ctx_lists_until_s(const struct tls_ctx *ctx)
{
    return INT64_MAX;
}

int64_t tls_ctx_not_after_s(const struct tls_ctx *ctx, size_t index)
{
    return 0;
}

int64_t tls_ctx_staple_until_s(const struct tls_ctx *ctx, size_t index)
{
    return INT64_MAX;
}
