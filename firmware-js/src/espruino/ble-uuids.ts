/** The service, and its characteristics to and from the gateway. */
export const BLE_SERVICE = '6d6f7a61-0001-4b00-8000-696b2d6a7300';
export const BLE_OUT = '6d6f7a61-0002-4b00-8000-696b2d6a7300';
export const BLE_IN = '6d6f7a61-0003-4b00-8000-696b2d6a7300';
