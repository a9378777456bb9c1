// SPDX-License-Identifier: GPL-2.0
/*
 * A device for uio_memory_test, on patched and unpatched kernels.
 *
 * It offers a page of each type of memory that UIO knows.  When its driver is
 * unbound it does what the providers in the kernel do: it unregisters the UIO
 * device, and then frees the memory.  At once the pages are allocated again, by
 * somebody who has nothing to do with the device and fills them with other data.
 * Who reads these through a mapping of the device reads another's memory.
 *
 * With it comes a device for uio_dmem_genirq, which allocates its memory in
 * ->open and frees it in ->release.
 *
 * Device and driver have different names: until a test binds them (see
 * driver_override) nothing of this is there.
 */
#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_data/uio_dmem_genirq.h>
#include <linux/platform_device.h>
#include <linux/preempt.h>
#include <linux/seq_file.h>
#include <linux/uio_driver.h>
#include <linux/vmalloc.h>

#include "uio_memory_abi.h"

/* dma_alloc_coherent() for a platform device: all come from the same zone. */
#define MEMORY_GFP	(GFP_KERNEL | GFP_DMA32)

/* Pages taken, at most, to get at a certain one that has just been freed */
#define MEMORY_TRIES	1024

struct region {
	const char *name;
	int memtype;
	const char *state;
	void *addr;		/* of the driver's memory, if held */
	struct page *page;	/* of the next owner, if reused */
};

static struct region regions[] = {
	{ UIO_MEMORY_PHYS, UIO_MEM_PHYS, UIO_MEMORY_NONE },
	{ UIO_MEMORY_LOGICAL, UIO_MEM_LOGICAL, UIO_MEMORY_NONE },
	{ UIO_MEMORY_VIRTUAL, UIO_MEM_VIRTUAL, UIO_MEMORY_NONE },
	{ UIO_MEMORY_IOVA, UIO_MEM_IOVA, UIO_MEMORY_NONE },
	{ UIO_MEMORY_COHERENT, UIO_MEM_DMA_COHERENT, UIO_MEMORY_NONE },
	{ UIO_MEMORY_DMEM, UIO_MEM_NONE, UIO_MEMORY_NONE },
};

#define DMEM	(ARRAY_SIZE(regions) - 1)
static_assert(DMEM <= MAX_UIO_MAPS);

/* Protects the regions. */
static DEFINE_MUTEX(memory_lock);
static struct uio_info memory_info;
static struct platform_device *memory_device, *dmem_device;
static struct dentry *memory_file;

static u32 *region_word(const struct region *region)
{
	return region->page ? page_address(region->page) : region->addr;
}

static unsigned long region_pfn(const struct region *region)
{
	if (is_vmalloc_addr(region->addr))
		return vmalloc_to_pfn(region->addr);
	return page_to_pfn(virt_to_page(region->addr));
}

/*
 * Somebody else allocates until they have got the page, which was the last that
 * this CPU has freed.  In vain if it has not been freed.
 */
static struct page *take_page(unsigned long pfn)
{
	struct page *page, *next, *found = NULL;
	LIST_HEAD(others);
	int i;

	for (i = 0; i < MEMORY_TRIES && !found; i++) {
		page = alloc_pages_node(pfn_to_nid(pfn),
					MEMORY_GFP | __GFP_THISNODE, 0);
		if (!page)
			break;
		if (page_to_pfn(page) == pfn)
			found = page;
		else
			list_add(&page->lru, &others);
	}
	list_for_each_entry_safe(page, next, &others, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
	return found;
}

static void region_next_owner(struct region *region, unsigned long pfn)
{
	region->addr = NULL;
	region->page = take_page(pfn);
	region->state = region->page ? UIO_MEMORY_REUSED : UIO_MEMORY_LOST;
	if (region->page)
		*region_word(region) =
			UIO_MEMORY_OF_NEXT_OWNER(region - regions);
}

static void region_end_of_next_owner(struct region *region)
{
	if (region->page)
		__free_page(region->page);
	region->page = NULL;
	region->state = UIO_MEMORY_NONE;
}

static int region_alloc(struct region *region, struct uio_mem *mem,
			struct device *dev)
{
	switch (region->memtype) {
	case UIO_MEM_DMA_COHERENT:
		region->addr = dma_alloc_coherent(dev, PAGE_SIZE,
						  &mem->dma_addr, GFP_KERNEL);
		break;
	case UIO_MEM_VIRTUAL:
		region->addr = vmalloc_32(PAGE_SIZE);
		break;
	default:
		region->addr = (void *)__get_free_page(MEMORY_GFP);
	}
	if (!region->addr)
		return -ENOMEM;

	region->state = UIO_MEMORY_HELD;
	*region_word(region) = UIO_MEMORY_OF_DRIVER(region - regions);
	mem->name = region->name;
	mem->size = PAGE_SIZE;
	mem->memtype = region->memtype;
	if (region->memtype == UIO_MEM_PHYS || region->memtype == UIO_MEM_IOVA)
		mem->addr = virt_to_phys(region->addr);
	else
		mem->addr = (uintptr_t)region->addr;
	mem->dma_device = dev;
	return 0;
}

static void region_free(struct region *region, const struct uio_mem *mem,
			struct device *dev)
{
	unsigned long pfn;

	if (!region->addr)
		return;
	pfn = region_pfn(region);
	switch (region->memtype) {
	case UIO_MEM_DMA_COHERENT:
		dma_free_coherent(dev, PAGE_SIZE, region->addr, mem->dma_addr);
		break;
	case UIO_MEM_VIRTUAL:
		vfree(region->addr);
		break;
	default:
		free_page((unsigned long)region->addr);
	}
	region_next_owner(region, pfn);
}

/* The memory that uio_dmem_genirq has at the moment */
static void dmem_look(void)
{
	struct region *region = &regions[DMEM];
	struct uio_dmem_genirq_pdata *pdata;
	void *addr;

	if (!dmem_device)
		return;
	pdata = dev_get_platdata(&dmem_device->dev);
	addr = (void *)(uintptr_t)pdata->uioinfo.mem[0].addr;
	/* It is an error code when the device is not open. */
	region->addr = virt_addr_valid(addr) ? addr : NULL;
	region->state = region->addr ? UIO_MEMORY_HELD : UIO_MEMORY_NONE;
}

static int dmem_add(struct device *parent)
{
	static unsigned int size = PAGE_SIZE;
	struct uio_dmem_genirq_pdata pdata = {
		.uioinfo = {
			.name = UIO_MEMORY_DMEM,
			.version = "1",
			.irq = UIO_IRQ_CUSTOM,
		},
		.dynamic_region_sizes = &size,
		.num_dynamic_regions = 1,
	};
	struct platform_device *device;

	device = platform_device_register_data(parent, "uio_dmem_genirq",
					       PLATFORM_DEVID_NONE, &pdata,
					       sizeof(pdata));
	if (IS_ERR(device))
		return PTR_ERR(device);
	dmem_device = device;
	return 0;
}

static void dmem_remove(void)
{
	struct region *region = &regions[DMEM];

	dmem_look();
	platform_device_unregister(dmem_device);
	dmem_device = NULL;
	if (region->addr)
		region_next_owner(region, region_pfn(region));
}

static void memory_free(struct device *dev)
{
	int i;

	for (i = 0; i < DMEM; i++)
		region_free(&regions[i], &memory_info.mem[i], dev);
}

static void memory_end_of_next_owner(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(regions); i++)
		region_end_of_next_owner(&regions[i]);
}

static int memory_probe(struct platform_device *pdev)
{
	int ret = 0, i;

	guard(mutex)(&memory_lock);
	memory_end_of_next_owner();
	memory_info = (struct uio_info) {
		.name = UIO_MEMORY_DRIVER,
		.version = "1",
		.irq = UIO_IRQ_NONE,
	};
	for (i = 0; i < DMEM && !ret; i++)
		ret = region_alloc(&regions[i], &memory_info.mem[i],
				   &pdev->dev);
	if (ret)
		goto free;
	ret = uio_register_device(&pdev->dev, &memory_info);
	if (ret)
		goto free;
	ret = dmem_add(&pdev->dev);
	if (!ret)
		return 0;
	uio_unregister_device(&memory_info);
free:
	memory_free(&pdev->dev);
	return ret;
}

static void memory_remove(struct platform_device *pdev)
{
	guard(mutex)(&memory_lock);
	/* For take_page() */
	migrate_disable();
	uio_unregister_device(&memory_info);
	memory_free(&pdev->dev);
	dmem_remove();
	migrate_enable();
}

static struct platform_driver memory_driver = {
	.probe = memory_probe,
	.remove = memory_remove,
	.driver.name = UIO_MEMORY_DRIVER,
};

static int memory_show(struct seq_file *m, void *unused)
{
	const struct region *region;
	const u32 *word;
	int i;

	guard(mutex)(&memory_lock);
	dmem_look();
	for (i = 0; i < ARRAY_SIZE(regions); i++) {
		region = &regions[i];
		word = region_word(region);
		seq_printf(m, "%s %s %x\n", region->name, region->state,
			   word ? *word : 0);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(memory);

static int __init uio_memory_init(void)
{
	int ret;

	ret = platform_driver_register(&memory_driver);
	if (ret)
		return ret;
	memory_device = platform_device_register_simple(UIO_MEMORY_DEVICE,
							PLATFORM_DEVID_NONE,
							NULL, 0);
	if (IS_ERR(memory_device)) {
		platform_driver_unregister(&memory_driver);
		return PTR_ERR(memory_device);
	}
	memory_file = debugfs_create_file(UIO_MEMORY_FILE, 0400, NULL, NULL,
					  &memory_fops);
	return 0;
}
module_init(uio_memory_init);

static void __exit uio_memory_exit(void)
{
	debugfs_remove(memory_file);
	platform_device_unregister(memory_device);
	platform_driver_unregister(&memory_driver);
	memory_end_of_next_owner();
}
module_exit(uio_memory_exit);

MODULE_DESCRIPTION("UIO memory of every type, given to somebody else when it is freed");
MODULE_LICENSE("GPL");
