// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps virtio devices from being suspended with the machine: the results of the tests go
 * through one whose driver cannot resume it.
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/pci.h>

static int __init stay_awake_init(void)
{
	struct pci_dev *pdev = NULL;

	while ((pdev = pci_get_device(PCI_VENDOR_ID_REDHAT_QUMRANET, PCI_ANY_ID, pdev)))
		dev_pm_syscore_device(&pdev->dev, true);
	return 0;
}
module_init(stay_awake_init);

static void __exit stay_awake_exit(void)
{
}
module_exit(stay_awake_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("virtio devices that stay awake");
