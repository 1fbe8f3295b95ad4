/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Functions that keep from compiling: included before everything by the build (git's banned.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef REEVE_GENERATED
#undef alloca
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strtok strtok_r atoi atol atoll gmtime localtime \
	ctime asctime
#pragma GCC poison mktemp tmpnam tempnam gets popen alloca
#endif
