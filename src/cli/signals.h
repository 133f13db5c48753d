/* SPDX-License-Identifier: MIT */
/* Signals as flags that the loop looks at. They interrupt the source's wait: no SA_RESTART. */
#ifndef EDR_CLI_SIGNALS_H
#define EDR_CLI_SIGNALS_H

#include <stdbool.h>

/* SIGTERM, SIGINT: stop. SIGHUP: reload. SIGPIPE, SIGXFSZ: ignored, so that a write fails instead. */
void signals_install(void);
bool signals_stop(void);	/* once true, it stays so */
bool signals_take_reload(void); /* true once a SIGHUP (or several) */

#endif
