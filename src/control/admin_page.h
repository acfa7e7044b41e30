/* The dashboard: built files that are part of the program.
 */
#ifndef CONTROL_ADMIN_PAGE_H
#define CONTROL_ADMIN_PAGE_H

#include "control/admin.h"

#endif
