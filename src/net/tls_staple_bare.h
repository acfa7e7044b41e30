/* tls_staple.h for a library without OCSP (-Dtls=boringssl): whose answer it is, and until when, is not looked at.
 */
#ifndef NET_TLS_STAPLE_BARE_H
#define NET_TLS_STAPLE_BARE_H

#include "net/tls_staple.h"

#endif
