// SPDX-License-Identifier: GPL-2.0
/*
 * A driver for a PCI device whose reset, recovery from an error or removal is to
 * be looked at while it is under way.
 *
 * While "hold" in its directory in sysfs is 1, its callbacks at the beginning of
 * any do not return, and so the functions that come before it on the bus have
 * been told, and nobody has been reset yet.  Reading "held" waits until that is
 * so.  All waits end by themselves, so that a test that dies does not keep the bus.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/wait.h>

#define HOLDER_LIMIT	(60 * HZ)

static DECLARE_WAIT_QUEUE_HEAD(holder_wait);
static bool holder_hold, holder_held;

static void holder_stop_here(void)
{
	if (!READ_ONCE(holder_hold))
		return;
	WRITE_ONCE(holder_held, true);
	wake_up_all(&holder_wait);
	wait_event_timeout(holder_wait, !READ_ONCE(holder_hold), HOLDER_LIMIT);
	WRITE_ONCE(holder_held, false);
}

static ssize_t hold_store(struct device_driver *driver, const char *buf,
			  size_t count)
{
	bool hold;
	int err = kstrtobool(buf, &hold);

	if (err)
		return err;
	WRITE_ONCE(holder_hold, hold);
	wake_up_all(&holder_wait);
	return count;
}
static DRIVER_ATTR_WO(hold);

static ssize_t held_show(struct device_driver *driver, char *buf)
{
	long left = wait_event_killable_timeout(holder_wait,
						READ_ONCE(holder_held),
						HOLDER_LIMIT);

	if (left < 0)
		return left;
	return left ? sysfs_emit(buf, "1\n") : -ETIMEDOUT;
}
static DRIVER_ATTR_RO(held);

static struct attribute *holder_attrs[] = {
	&driver_attr_hold.attr,
	&driver_attr_held.attr,
	NULL
};
ATTRIBUTE_GROUPS(holder);

static int holder_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}

static void holder_remove(struct pci_dev *pdev)
{
	holder_stop_here();
}

static void holder_reset_prepare(struct pci_dev *pdev)
{
	holder_stop_here();
}

static pci_ers_result_t holder_error_detected(struct pci_dev *pdev,
					      pci_channel_state_t state)
{
	holder_stop_here();
	return state == pci_channel_io_normal ? PCI_ERS_RESULT_CAN_RECOVER :
						PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t holder_slot_reset(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static const struct pci_error_handlers holder_err_handler = {
	.reset_prepare	= holder_reset_prepare,
	.error_detected	= holder_error_detected,
	.slot_reset	= holder_slot_reset,
};

static struct pci_driver holder_driver = {
	.name		= "pci_holder",
	.id_table	= NULL,		/* by driver_override */
	.groups		= holder_groups,
	.probe		= holder_probe,
	.remove		= holder_remove,
	.err_handler	= &holder_err_handler,
};
module_pci_driver(holder_driver);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Holds up what is done to PCI devices, for tests");
