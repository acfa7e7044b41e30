/* TLS that is not there: tls_ctx.h and the transport of tls_conn.h, all of which refuse.
 */
#ifndef NET_TLS_NONE_H
#define NET_TLS_NONE_H

#include "net/tls_conn.h"

#endif
