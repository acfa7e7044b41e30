/* Pieces are made by the thread that makes the table grow, and given back with the table: whoever keeps counters or
 * states by index (accounts, idle connections, probes) holds pointers into it for as long as it lives. */
#include "base/table.h"

#include "base/err.h"
#include "base/lines.h"

void table_init(struct table *table, size_t element_bytes)
{
    *table = (struct table){.element_bytes = element_bytes};
}

void table_fini(struct table *table)
{
    for (int i = 0; i < TABLE_PIECES; i++)
        lines_give(table->pieces[i]);
    table_init(table, table->element_bytes);
}

int table_grow(struct table *table, uint32_t count)
{
    if (count > TABLE_MAX)
        return -ERR_FULL;
    for (int i = 0; i < TABLE_PIECES && table->room < count; i++) {
        size_t elements = (size_t)TABLE_FIRST << i;
        if (table->pieces[i])
            continue;
        table->pieces[i] = lines_take(elements, table->element_bytes);
        if (!table->pieces[i])
            return -ERR_NO_MEMORY;
        table->room += (uint32_t)elements;
    }
    return 0;
}
