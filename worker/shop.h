/* The fields of a page of a shop, as browsers get them all day: what /page answers with.
 */
#ifndef WORKER_SHOP_H
#define WORKER_SHOP_H

#include "http/msg.h"

enum { SHOP_FIELDS = 16 };

/* Adds SHOP_FIELDS fields, 1.1 KiB. msg has room for them. */
void shop_add_fields(struct msg *msg);

#endif
