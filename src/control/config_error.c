/* Errors of a configuration, collected while it loads, by whichever file finds them; on the loading thread.
 *
 * Lines are formatted at once and kept as text: what they speak about may be freed before they are printed.
 */
#include "control/config_error.h"

#include <stdarg.h>
#include <stdio.h>

enum { SHOWN_MAX = 64 };

void config_errors_init(struct config_errors *errors)
{
    errors->count = 0;
    errors->error_count = 0;
    errors->warning_count = 0;
    arena_init(&errors->arena, (size_t)4 * CONFIG_ERRORS_MAX * CONFIG_LINE_MAX);
}

void config_errors_fini(struct config_errors *errors)
{
    arena_fini(&errors->arena);
    errors->count = 0;
}

bool config_errors_full(const struct config_errors *errors)
{
    return errors->error_count >= CONFIG_ERRORS_MAX;
}

static int error_compare(const struct config_error *a, const struct config_error *b)
{
    size_t n = a->file_bytes < b->file_bytes ? a->file_bytes : b->file_bytes;
    int files = memcmp(a->text.p, b->text.p, n);
    if (files != 0)
        return files;
    if (a->file_bytes != b->file_bytes)
        return a->file_bytes < b->file_bytes ? -1 : 1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->column < b->column ? -1 : a->column > b->column;
}

void config_errors_sort(struct config_errors *errors)
{
    /* Insertion keeps the order of equals, and there are few. */
    for (size_t i = 1; i < errors->count; i++) {
        struct config_error moved = errors->items[i];
        size_t at = i;
        for (; at > 0 && error_compare(&errors->items[at - 1], &moved) > 0; at--)
            errors->items[at] = errors->items[at - 1];
        errors->items[at] = moved;
    }
}

const char *config_place_print(char out[CONFIG_PLACE_MAX], const struct config_place *place)
{
    if (place->line == 0)
        (void)snprintf(out, CONFIG_PLACE_MAX, "%s", place->file);
    else
        (void)snprintf(out, CONFIG_PLACE_MAX, "%s:%u:%u", place->file, place->line, place->column);
    return out;
}

struct str config_shown(struct str text)
{
    if (text.n <= SHOWN_MAX)
        return text;
    size_t n = SHOWN_MAX;
    while (n > 0 && ((unsigned char)text.p[n] & 0xC0) == 0x80)
        n--;
    return str_slice(text.p, n);
}

static void error_add(struct config_errors *errors, const struct config_place *place, bool warning, const char *format,
                      va_list arguments) __attribute__((format(printf, 4, 0)));

static void error_add(struct config_errors *errors, const struct config_place *place, bool warning, const char *format,
                      va_list arguments)
{
    char where[CONFIG_PLACE_MAX];
    char line[CONFIG_LINE_MAX];
    int head = snprintf(line, sizeof(line), "%s: %s", config_place_print(where, place), warning ? "warning: " : "");
    ASSERT(head > 0 && (size_t)head < sizeof(line));
    (void)vsnprintf(line + head, sizeof(line) - (size_t)head, format, arguments);
    for (char *p = line; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = '?';
    }

    size_t file_bytes = strnlen(place->file, CONFIG_PLACE_MAX - 1);
    struct str text = arena_print(&errors->arena, "%s", line);
    if (text.p == NULL) {
        text = STR("out of memory");
        file_bytes = 0;
    }
    errors->items[errors->count++] = (struct config_error){text, file_bytes, place->line, place->column, warning};
}

void config_error_add(struct config_errors *errors, const struct config_place *place, const char *format, ...)
{
    if (errors->error_count++ >= CONFIG_ERRORS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    error_add(errors, place, false, format, arguments);
    va_end(arguments);
}

void config_warning_add(struct config_errors *errors, const struct config_place *place, const char *format, ...)
{
    if (errors->warning_count++ >= CONFIG_ERRORS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    error_add(errors, place, true, format, arguments);
    va_end(arguments);
}
