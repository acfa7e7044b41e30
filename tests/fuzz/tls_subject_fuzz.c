/* Names of certificates, in DER, as clients show them: what a worker is told of one fits one field's value.
 */
#include "fuzz.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_names.h"

static char *subject_of(X509_NAME *name)
{
    X509 *certificate = X509_new();

    ASSERT(certificate && X509_set_subject_name(certificate, name) == 1);
    char *text = tls_names_subject(certificate);
    X509_free(certificate);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const unsigned char *at = bytes;
    X509_NAME *name = n <= 65536 ? d2i_X509_NAME(NULL, &at, (long)n) : NULL;
    char *text = name ? subject_of(name) : NULL, *again = name ? subject_of(name) : NULL;

    for (const char *byte = text; byte && *byte; byte++)
        ASSERT(*byte >= ' ' && *byte <= '~');
    ASSERT(!text || (again && strcmp(text, again) == 0));
    free(text);
    free(again);
    X509_NAME_free(name);
    ERR_clear_error();
    return 0;
}
