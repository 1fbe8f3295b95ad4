/* SPDX-License-Identifier: Apache-2.0 */
/* For test programs that do not know that some of the code they test is compiled with REEVE_MUTANTS. */
#include "mutants.h"
