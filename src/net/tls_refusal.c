/* Called by tls_ctx when the library refuses a worker's certificate: its own word for that (a number) leaves out the
 * names and the dates. Whatever a certificate holds was written by somebody else, so it is escaped. */
#include "net/tls_refusal.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/escape.h"
#include "net/tls_lib.h"

enum { NAMES_TOLD = 3, NAME_MAX_TOLD = 80 };

struct words {
    char *out;
    size_t used;
};

/* What does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void put(struct words *words, const char *format, ...)
{
    size_t room = TRANSPORT_REFUSAL_MAX - words->used;
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(words->out + words->used, room, format, arguments);
    va_end(arguments);
    if (n > 0)
        words->used += (size_t)n < room ? (size_t)n : room - 1;
}

static void put_escaped(struct words *words, struct str text)
{
    char escaped[NAME_MAX_TOLD];

    put(words, "%.*s", (int)escape_text(escaped, sizeof(escaped), text), escaped);
}

/* As RFC 4514 writes it, in ASCII alone. */
static void put_whose(struct words *words, const X509_NAME *name)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *bytes;
    long n = out && X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0 ? BIO_get_mem_data(out, &bytes) : 0;

    if (n > 0)
        put(words, "%.*s", (int)(n < NAME_MAX_TOLD ? n : NAME_MAX_TOLD), bytes);
    else
        put(words, "one without a subject");
    BIO_free(out);
}

static void put_time(struct words *words, const ASN1_TIME *time)
{
    time_t s = (time_t)tls_lib_seconds(time);
    struct tm tm;
    char text[32] = "an unknown day";

    if (gmtime_r(&s, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
    put(words, "%s", text);
}

/* ---- names ---- */

static void put_address(struct words *words, const ASN1_OCTET_STRING *address)
{
    char text[INET6_ADDRSTRLEN] = "a malformed address";
    int n = ASN1_STRING_length(address);

    if (n == 4 || n == 16)
        (void)inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), text, sizeof(text));
    put(words, "%s", text);
}

static void put_name(struct words *words, const GENERAL_NAME *name)
{
    if (name->type == GEN_IPADD)
        put_address(words, name->d.iPAddress);
    else
        put_escaped(words, str_slice((const char *)ASN1_STRING_get0_data(name->d.dNSName),
                                     (size_t)ASN1_STRING_length(name->d.dNSName)));
}

static void put_names(struct words *words, const X509 *certificate)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    unsigned told = 0, more = 0;

    for (int i = 0; i < (int)sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type != GEN_IPADD && name->type != GEN_DNS)
            continue;
        if (told == NAMES_TOLD) {
            more++;
            continue;
        }
        put(words, told++ ? ", " : "");
        put_name(words, name);
    }
    GENERAL_NAMES_free(all);
    if (told == 0)
        put_whose(words, X509_get_subject_name(certificate));
    if (more)
        put(words, " and %u more", more);
}

/* ---- sentences ---- */

static void put_mismatch(struct words *words, const X509 *certificate, const char *wanted)
{
    put(words, "it is for ");
    put_names(words, certificate);
    put(words, ", not for %s", wanted ? wanted : "this one");
}

static void put_times(struct words *words, const X509 *certificate, bool over)
{
    put_whose(words, X509_get_subject_name(certificate));
    put(words, over ? " expired on " : " is not good before ");
    put_time(words, over ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate));
}

static void put_signer(struct words *words, const X509 *certificate, bool itself)
{
    put_whose(words, X509_get_subject_name(certificate));
    put(words, itself ? " has signed itself" : " was signed by ");
    if (!itself)
        put_whose(words, X509_get_issuer_name(certificate));
    put(words, itself ? ", and is none of the authorities that are believed"
                      : ", which is none of the authorities that are believed, nor was it sent");
}

static void put_other(struct words *words, const X509 *certificate, int error)
{
    put_whose(words, X509_get_subject_name(certificate));
    put(words, ": %s", X509_verify_cert_error_string(error));
}

size_t tls_refusal_tell(X509_STORE_CTX *checked, const char *wanted, char *out)
{
    const X509 *certificate = X509_STORE_CTX_get_current_cert(checked);
    struct words words = {.out = out};
    int error = X509_STORE_CTX_get_error(checked);

    if (!certificate) {
        put(&words, "%s", X509_verify_cert_error_string(error));
        return words.used;
    }
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: put_mismatch(&words, certificate, wanted); break;
    case X509_V_ERR_CERT_HAS_EXPIRED: put_times(&words, certificate, true); break;
    case X509_V_ERR_CERT_NOT_YET_VALID: put_times(&words, certificate, false); break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: put_signer(&words, certificate, true); break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: put_signer(&words, certificate, false); break;
    default: put_other(&words, certificate, error);
    }
    return words.used;
}
